#include <catch2/catch.hpp>

#include <map>

#include "domain/delivery/agent_link.h"
#include "domain/delivery/chain.h"

using namespace mimamori::domain::delivery;
using What = LaneAction::What;

namespace {

// A lane that holds first..last; H is known there, but for inside a damaged range.
struct Spool final : SpoolView {
    SpoolId id{1};
    Seq oldest = 1, newest = 0;
    Seq damaged_first = 0, damaged_last = 0;

    SpoolId spool_id() const override { return id; }
    Seq first() const override { return oldest; }
    Seq last_durable() const override { return newest; }
    Hash128 h_before(Seq seq) const override {
        REQUIRE(seq >= 1);
        REQUIRE(range_start(seq) == seq);
        return chain_next({}, seq, {});
    }
    Seq range_start(Seq seq) const override {
        return damaged_first != 0 && seq > damaged_first && seq <= damaged_last ? damaged_first : seq;
    }
};

struct Lanes {
    std::array<Spool, lane_count> spools;
    AgentLink link{{&spools[0], &spools[1], &spools[2]}};

    Spool& normal() { return spools[1]; }
    LaneCursor word(Seq next, StreamStatus status = StreamStatus::open, bool our_h = true) const {
        return {Lane::normal, spools[1].id, {next, our_h ? chain_next({}, next, {}) : Hash128{9}, status}};
    }
    LaneAction greet(Seq next) {
        link.connected();
        return link.on_hello_ack(word(next));
    }
};

}  // namespace

TEST_CASE("what the agent does about a lane when it hears a cursor") {
    struct Row {
        const char* sentence;
        Seq first, last, next;
        StreamStatus status;
        bool our_h;
        What what;
        Seq free_before, move_from;
    };
    const auto open = StreamStatus::open, closed = StreamStatus::closed;
    const std::vector<Row> rows{
        {"nothing of the spool is stored yet", 1, 5, 1, open, true, What::nothing, 0, 0},
        {"a part is stored: it may be freed", 1, 5, 4, open, true, What::free, 4, 0},
        {"all is stored", 1, 5, 6, open, true, What::free, 6, 0},
        {"what is stored was freed before", 4, 5, 4, open, true, What::nothing, 0, 0},
        {"an empty spool whose entries are all stored", 6, 5, 6, open, true, What::nothing, 0, 0},
        {"H there is not ours: a fork, nothing is freed", 1, 5, 4, open, false, What::ask_fork, 0, 0},
        {"the cursor is beyond our last: a fork", 1, 5, 7, open, true, What::ask_fork, 0, 0},
        {"an empty spool below the cursor: a fork", 1, 0, 2, open, false, What::ask_fork, 0, 0},
        {"an older database: below what we hold nothing can be compared", 4, 5, 2, open, false, What::nothing, 0, 0},
        {"closed and H is ours: what lies after the cursor moves", 1, 5, 4, closed, true, What::move_spool, 0, 4},
        {"closed and H is not ours: everything moves", 1, 5, 4, closed, false, What::move_spool, 0, 1},
        {"closed beyond our last: everything moves", 2, 5, 9, closed, true, What::move_spool, 0, 2},
        {"closed below what we hold: everything moves", 4, 5, 2, closed, true, What::move_spool, 0, 4},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        for (const bool in_hello_ack : {true, false}) {
            Lanes lanes;
            lanes.normal().oldest = row.first;
            lanes.normal().newest = row.last;
            lanes.link.connected();
            if (!in_hello_ack) {
                REQUIRE(lanes.link.on_hello_ack(lanes.word(row.first)).what == What::nothing);
            }
            const auto word = lanes.word(row.next, row.status, row.our_h);
            const auto action = in_hello_ack ? lanes.link.on_hello_ack(word) : lanes.link.on_settled(word);
            CHECK(action.what == row.what);
            CHECK(action.free_before == row.free_before);
            CHECK(action.move_from == row.move_from);
            if (row.what == What::ask_fork || row.what == What::move_spool) {
                CHECK_FALSE(lanes.link.next());
            }
        }
    }
}

TEST_CASE("a forked lane neither sends nor frees until its stream is closed; the others go on") {
    Lanes lanes;
    lanes.normal().newest = 5;
    lanes.spools[2].newest = 1;
    lanes.greet(1);
    REQUIRE(lanes.link.on_settled(lanes.word(3, StreamStatus::open, false)).what == What::ask_fork);
    CHECK(lanes.link.has_forked(Lane::normal));
    CHECK(lanes.link.on_settled(lanes.word(4)).what == What::nothing);
    CHECK(lanes.link.on_settled(lanes.word(4, StreamStatus::open, false)).what == What::nothing);
    lanes.link.on_rewind(Lane::normal, lanes.normal().id, 1, 1);
    CHECK_FALSE(lanes.link.next());
    lanes.link.on_hello_ack({Lane::rollup, lanes.spools[2].id, {1, {}, StreamStatus::open}});
    CHECK(lanes.link.next().has_value() == false);  // its H differs: a fork of its own
    CHECK(lanes.link.on_settled(lanes.word(4, StreamStatus::closed)).what == What::move_spool);
    CHECK(lanes.link.on_settled(lanes.word(4, StreamStatus::closed)).what == What::nothing);  // moved once
}

TEST_CASE("words of another spool id are not ours") {
    Lanes lanes;
    lanes.normal().newest = 5;
    lanes.greet(1);
    auto word = lanes.word(4);
    word.spool_id = SpoolId{77};
    CHECK(lanes.link.on_settled(word).what == What::nothing);
    lanes.link.on_rewind(Lane::normal, SpoolId{77}, 3, 1);
    CHECK(lanes.link.next()->from == 1);
}

TEST_CASE("nothing is sent before HelloAck, nor after the connection is lost") {
    Lanes lanes;
    lanes.normal().newest = 5;
    CHECK_FALSE(lanes.link.next());
    lanes.link.connected();
    CHECK_FALSE(lanes.link.next());
    CHECK_FALSE(lanes.link.ready());
    lanes.link.on_hello_ack(lanes.word(1));
    CHECK(lanes.link.next()->from == 1);
    lanes.link.disconnected();
    CHECK_FALSE(lanes.link.next());
    CHECK(lanes.link.on_settled(lanes.word(4)).what == What::nothing);
}

TEST_CASE("a serious detection overtakes its own backlog") {
    Lanes lanes;
    for (auto& spool : lanes.spools) {
        spool.newest = 3;
    }
    lanes.link.connected();
    for (const auto lane : {Lane::rollup, Lane::normal, Lane::urgent}) {
        lanes.link.on_hello_ack(
            {lane, lanes.spools[index_of(lane)].id, {1, chain_next({}, 1, {}), StreamStatus::open}});
        CHECK(lanes.link.next()->lane == lane);
    }
    CHECK(lanes.link.ready());
    lanes.link.sent(Lane::urgent, 3, 1);
    CHECK(lanes.link.next()->lane == Lane::normal);
    lanes.spools[0].newest = 4;
    CHECK(lanes.link.next()->lane == Lane::urgent);
}

TEST_CASE("the window is bounded in bytes and in batches, and settling opens it") {
    Lanes lanes;
    lanes.normal().newest = 100;
    lanes.greet(1);
    lanes.link.set_limits(
        {.max_batch_bytes = 40, .max_unsettled_bytes_per_lane = 100, .max_unsettled_batches_per_lane = 3});
    lanes.link.sent(Lane::normal, 10, 40);
    CHECK(lanes.link.next()->from == 11);
    lanes.link.sent(Lane::normal, 20, 20);
    CHECK_FALSE(lanes.link.next());  // a whole batch would reach the cap
    lanes.link.on_settled(lanes.word(11));
    CHECK(lanes.link.unsettled_bytes(Lane::normal) == 20);
    lanes.link.sent(Lane::normal, 30, 1);
    lanes.link.sent(Lane::normal, 40, 1);
    CHECK_FALSE(lanes.link.next());         // three batches
    lanes.link.on_settled(lanes.word(26));  // inside one
    CHECK(lanes.link.next()->from == 41);
}

TEST_CASE("a cap below one batch lets one batch through at a time") {
    Lanes lanes;
    lanes.normal().newest = 100;
    lanes.greet(1);
    lanes.link.set_limits({.max_batch_bytes = 1000, .max_unsettled_bytes_per_lane = 100});
    CHECK(lanes.link.next());
    lanes.link.sent(Lane::normal, 10, 900);
    CHECK_FALSE(lanes.link.next());
    lanes.link.on_settled(lanes.word(11));
    CHECK(lanes.link.next()->from == 11);
}

TEST_CASE("what batches of an earlier connection settled is not sent, and is not gone") {
    Lanes lanes;
    lanes.normal().newest = 10;
    lanes.greet(1);
    lanes.link.sent(Lane::normal, 2, 1);
    REQUIRE(lanes.link.on_settled(lanes.word(8)).free_before == 8);
    lanes.normal().oldest = 8;
    const auto next = lanes.link.next();
    REQUIRE(next);
    CHECK(next->what == Send::What::batch);
    CHECK(next->from == 8);
}

TEST_CASE("what is no longer held is stated gone, with H after it") {
    Lanes lanes;
    lanes.normal().oldest = 6;
    lanes.normal().newest = 8;
    lanes.greet(3);
    const auto gone = lanes.link.next();
    REQUIRE(gone);
    CHECK(gone->what == Send::What::gone);
    CHECK(gone->from == 3);
    CHECK(gone->gone_last == 5);
    CHECK(gone->h == lanes.normal().h_before(6));
    lanes.link.sent(Lane::normal, 5, 1);
    CHECK(lanes.link.next()->what == Send::What::batch);
    CHECK(lanes.link.next()->from == 6);
}

TEST_CASE("a rewind begins a new run at its place; an old one means nothing") {
    Lanes lanes;
    lanes.normal().newest = 8;
    lanes.greet(1);
    lanes.link.sent(Lane::normal, 8, 50);
    lanes.link.on_received(Lane::normal, 0, 8);
    CHECK(lanes.link.received_until(Lane::normal) == 8);
    lanes.link.on_rewind(Lane::normal, lanes.normal().id, 4, 2);
    CHECK(lanes.link.unsettled_bytes(Lane::normal) == 0);
    CHECK(lanes.link.received_until(Lane::normal) == 3);
    CHECK(lanes.link.next()->from == 4);
    CHECK(lanes.link.next()->run == 2);
    lanes.link.on_received(Lane::normal, 0, 8);
    CHECK(lanes.link.received_until(Lane::normal) == 3);
    lanes.link.sent(Lane::normal, 6, 1);
    lanes.link.on_rewind(Lane::normal, lanes.normal().id, 1, 2);
    CHECK(lanes.link.next()->from == 7);
}

TEST_CASE("a damaged range travels whole, and a cursor inside it frees nothing and is no fork") {
    Lanes lanes;
    lanes.normal().newest = 12;
    lanes.normal().damaged_first = 5;
    lanes.normal().damaged_last = 8;
    CHECK(lanes.greet(7).what == What::nothing);
    const auto next = lanes.link.next();
    REQUIRE(next);
    CHECK(next->from == 5);
    CHECK(next->h == lanes.normal().h_before(5));
    lanes.link.sent(Lane::normal, 8, 1);
    CHECK(lanes.link.on_settled(lanes.word(6, StreamStatus::open, false)).what == What::nothing);
    CHECK(lanes.link.on_settled(lanes.word(9)).free_before == 9);
    CHECK(lanes.link.on_settled(lanes.word(10, StreamStatus::open, false)).what == What::ask_fork);
}

TEST_CASE("gone ends where a damaged range begins, though a part of the range was freed as entries") {
    Lanes lanes;
    lanes.normal().oldest = 7;
    lanes.normal().newest = 12;
    lanes.normal().damaged_first = 5;
    lanes.normal().damaged_last = 8;
    lanes.greet(3);
    const auto gone = lanes.link.next();
    REQUIRE(gone);
    CHECK(gone->what == Send::What::gone);
    CHECK(gone->gone_last == 4);
    lanes.link.sent(Lane::normal, 4, 1);
    CHECK(lanes.link.next()->from == 5);
    CHECK(lanes.link.next()->what == Send::What::batch);
}
