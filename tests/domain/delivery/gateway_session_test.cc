#include <catch2/catch.hpp>

#include <string>

#include "domain/delivery/gateway_session.h"

using namespace mimamori::domain::delivery;
using Kind = Envelope::Kind;

namespace {

const SpoolId spool{1};
constexpr auto open = StreamStatus::open;
constexpr auto closed = StreamStatus::closed;

PartitionSnapshot at(std::int64_t offset, std::uint64_t passed, std::uint64_t log_no = 1) {
    return {{}, {log_no, offset}, passed};
}

Cursor stands_at(Seq next, StreamStatus status = open) {
    return {next, Hash128{static_cast<std::uint8_t>(next)}, status};
}

GatewaySession::LaneCursors on_normal(const Cursor& read) {
    GatewaySession::LaneCursors cursors;
    cursors[index_of(Lane::normal)] = read;
    return cursors;
}

Envelope batch(Seq first, Seq last, std::uint32_t run = 0, Kind kind = Kind::entries) {
    return {kind, Lane::normal, spool, run, first, last, static_cast<std::uint32_t>(last - first + 1), 100, 100};
}

template <class Wanted>
const Wanted* only(const Actions& actions) {
    return actions.size() == 1 ? std::get_if<Wanted>(&actions.front()) : nullptr;
}

// A connection whose normal lane is open at `next`.
struct Session : GatewaySession {
    std::uint64_t orders = 0;
    explicit Session(Seq next = 1, SessionLimits limits = {}) : GatewaySession{limits} {
        REQUIRE(only<action::ReadCursors>(on_hello({{Lane::normal, spool, 1, 20}})));
        REQUIRE(only<action::SendHelloAck>(on_cursors_read(on_normal(stands_at(next)), at(0, 0))));
    }
    RecordTag forward(Seq first, Seq last, std::uint32_t run = 0) {
        const auto actions = on_batch(batch(first, last, run), ++orders, at(0, 0));
        REQUIRE(only<action::Produce>(actions));
        return only<action::Produce>(actions)->tag;
    }
    Actions read(Seq next, const PartitionSnapshot& partition) {
        return on_cursors_read(on_normal(stands_at(next)), partition);
    }
};

}  // namespace

TEST_CASE("a Hello that makes no sense is refused") {
    struct Row {
        const char* sentence;
        std::vector<HelloLane> lanes;
    };
    for (const auto& row :
         {Row{"no lane", {}}, Row{"a lane twice", {{Lane::normal, spool, 1, 0}, {Lane::normal, spool, 1, 0}}},
          Row{"a first of zero", {{Lane::normal, spool, 0, 0}}},
          Row{"a gap between last and first", {{Lane::normal, spool, 3, 1}}}}) {
        INFO(row.sentence);
        GatewaySession session;
        CHECK(only<action::Refuse>(session.on_hello(row.lanes)));
    }
    Session session;
    CHECK(only<action::Refuse>(session.on_hello({{Lane::normal, spool, 1, 0}})));
}

TEST_CASE("the envelope of a batch, when two entries were forwarded and the cursor stands at 1") {
    struct Row {
        const char* sentence;
        Envelope envelope;
        bool accepted;
    };
    auto foreign = batch(3, 4);
    foreign.spool_id = SpoolId{2};
    auto unnamed = batch(3, 4);
    unnamed.lane = Lane::urgent;
    auto miscounted = batch(3, 4);
    miscounted.count = 3;
    auto large = batch(3, 4);
    large.raw_bytes = (1U << 20U) + 1;
    auto bloated = batch(3, 4);
    bloated.wire_bytes = 2U << 20U;
    auto bounded = batch(3, 4);
    bounded.raw_bytes = 1U << 20U;
    const std::vector<Row> rows{
        {"it continues", batch(3, 4), true},
        {"it is as large as allowed", bounded, true},
        {"a gap", batch(4, 5), false},
        {"a repetition within the run", batch(2, 4), false},
        {"a whole damaged range whose beginning was sent as entries", batch(2, 4, 0, Kind::tombstone), true},
        {"a tombstone of what was sent", batch(1, 2, 0, Kind::tombstone), false},
        {"a tombstone that leaves a gap", batch(4, 5, 0, Kind::tombstone), false},
        {"gone", batch(3, 4, 0, Kind::gone), true},
        {"gone after a gap", batch(4, 5, 0, Kind::gone), false},
        {"a run that nobody asked for", batch(3, 4, 1), false},
        {"a range that is none", batch(3, 2), false},
        {"sequence zero", batch(0, 2), false},
        {"a range without end", batch(3, UINT64_MAX), false},
        {"more entries than allowed", batch(3, 1003), false},
        {"another spool", foreign, false},
        {"a lane that Hello did not name", unnamed, false},
        {"a count that is not the range's", miscounted, false},
        {"more bytes than allowed, unpacked", large, false},
        {"more bytes than allowed, on the wire", bloated, false},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        Session session;
        session.forward(1, 2);
        const auto actions = session.on_batch(row.envelope, 9, at(0, 0));
        CHECK((only<action::Produce>(actions) != nullptr) == row.accepted);
        CHECK((only<action::Refuse>(actions) != nullptr) == !row.accepted);
    }
    GatewaySession early;
    CHECK(only<action::Refuse>(early.on_batch(batch(1, 1), 1, at(0, 0))));
}

TEST_CASE("an agent that was told of a higher cursor goes on from there") {
    Session session;
    session.forward(1, 2);
    REQUIRE(only<action::SendSettled>(session.on_progress(Lane::normal, spool, stands_at(8))));
    CHECK(only<action::Drop>(session.on_batch(batch(3, 4), 2, at(0, 0))));  // on its way before it knew
    CHECK_FALSE(session.has_unsettled());
    CHECK(only<action::Produce>(session.on_batch(batch(8, 9), 3, at(0, 0))));
    CHECK(only<action::Refuse>(session.on_batch(batch(11, 12), 4, at(0, 0))));
}

TEST_CASE("received follows the delivery report, settled follows the database") {
    Session session;
    const auto tag = session.forward(1, 3);
    const auto report = session.on_delivered(tag, 10, at(0, 0));
    REQUIRE(only<action::SendReceived>(report));
    CHECK(only<action::SendReceived>(report)->last == 3);
    CHECK(session.unsettled_bytes() == 100);
    const auto progress = session.on_progress(Lane::normal, spool, stands_at(4));
    REQUIRE(only<action::SendSettled>(progress));
    CHECK(only<action::SendSettled>(progress)->cursor == stands_at(4));
    CHECK(session.unsettled_bytes() == 0);
    CHECK(session.on_progress(Lane::normal, spool, stands_at(4)).empty());       // doubled
    CHECK(session.on_progress(Lane::normal, spool, stands_at(3)).empty());       // late
    CHECK(session.on_progress(Lane::normal, SpoolId{2}, stands_at(9)).empty());  // of another stream
    CHECK(session.on_delivered(tag, 10, at(11, 1)).empty());
}

TEST_CASE("progress before the delivery report settles just as well") {
    Session session;
    const auto tag = session.forward(1, 3);
    CHECK(only<action::SendSettled>(session.on_progress(Lane::normal, spool, stands_at(4))));
    CHECK(session.on_delivered(tag, 10, at(11, 1)).empty());
    CHECK(session.on_partition(at(12, 1)).empty());
}

TEST_CASE("progress that comes while the cursors are read is not forgotten") {
    GatewaySession session;
    session.on_hello({{Lane::normal, spool, 1, 20}});
    CHECK(session.on_progress(Lane::normal, spool, stands_at(7)).empty());
    session.on_cursors_read(on_normal(stands_at(4)), at(0, 0));
    CHECK(*session.cursor(Lane::normal) == stands_at(7));
    CHECK(only<action::Produce>(session.on_batch(batch(7, 8), 1, at(0, 0))));
}

TEST_CASE("passed and unsettled: the cursor is read first, and then either settles or a rewind is asked for") {
    struct Row {
        const char* sentence;
        bool landed, failed;
        std::uint64_t passed;
        bool reads;
    };
    for (const auto& row : {
             Row{"landed, and the log is behind it", true, false, 0, false},
             Row{"landed, and passed", true, false, 1, true},
             Row{"passed by all that came later, but nobody knows whether it landed", false, false, 5, false},
             Row{"its delivery failed", false, true, 0, true},
         }) {
        INFO(row.sentence);
        for (const Seq stored : {4U, 1U}) {
            Session session;
            const auto tag = session.forward(1, 3);
            if (row.landed) {
                session.on_delivered(tag, 10, at(5, 0));
            }
            const auto actions = row.failed ? session.on_delivery_failed(tag, at(11, row.passed))
                                            : session.on_partition(at(11, row.passed));
            CHECK((only<action::ReadCursors>(actions) != nullptr) == row.reads);
            if (!row.reads) {
                CHECK(actions.empty());
                continue;
            }
            CHECK(session.on_partition(at(12, 9)).empty());  // one read at a time
            const auto answer = session.read(stored, at(12, 9));
            REQUIRE(answer.size() == 1);
            CHECK((only<action::SendSettled>(answer) != nullptr) == (stored == 4));
            CHECK((only<action::SendRewind>(answer) != nullptr) == (stored == 1));
            CHECK_FALSE(session.has_unsettled());
        }
    }
}

TEST_CASE("the delivery report may be what shows that a batch was passed") {
    Session session;
    const auto tag = session.forward(1, 3);
    CHECK(session.on_partition(at(11, 1)).empty());
    const auto actions = session.on_delivered(tag, 10, at(11, 1));
    REQUIRE(actions.size() == 2);
    CHECK(std::get_if<action::SendReceived>(&actions[0]));
    CHECK(std::get_if<action::ReadCursors>(&actions[1]));
}

TEST_CASE("a cursor judges only what was passed before it was read") {
    Session session;
    const auto first = session.forward(1, 1), second = session.forward(2, 2);
    session.on_delivered(first, 10, at(5, 0));
    REQUIRE(only<action::ReadCursors>(session.on_partition(at(11, 1))));
    session.on_delivered(second, 11, at(11, 1));
    CHECK(session.on_partition(at(12, 2)).empty());  // passed meanwhile
    const auto actions = session.read(2, at(12, 2));
    REQUIRE(actions.size() == 2);
    CHECK(std::get_if<action::SendSettled>(&actions[0]));
    CHECK(std::get_if<action::ReadCursors>(&actions[1]));  // asked anew for the second
}

TEST_CASE("after asking for a rewind the old run is dropped until the new one begins") {
    Session session{5};
    const auto tag = session.forward(5, 7);
    session.forward(8, 9);
    REQUIRE(only<action::ReadCursors>(session.on_delivery_failed(tag, at(3, 0))));
    const auto rewind = session.read(6, at(3, 0));
    REQUIRE(rewind.size() == 2);
    REQUIRE(std::get_if<action::SendSettled>(&rewind[0]));
    const auto* asked = std::get_if<action::SendRewind>(&rewind[1]);
    REQUIRE(asked);
    CHECK(asked->from == 6);
    CHECK(asked->run == 1);
    CHECK_FALSE(session.has_unsettled());
    CHECK(only<action::Drop>(session.on_batch(batch(10, 11), 3, at(3, 0))));
    CHECK(only<action::Drop>(session.on_batch(batch(2, 3), 3, at(3, 0))));
    CHECK(only<action::Refuse>(Session{session}.on_batch(batch(7, 8, 1), 4, at(3, 0))));  // it begins too late
    session.forward(6, 7, 1);
    CHECK(only<action::Refuse>(session.on_batch(batch(8, 9, 2), 4, at(3, 0))));
}

TEST_CASE("a rewind is asked for once per committed log position, never by time passing") {
    Session session;
    std::uint32_t run = 0;
    const auto fail = [&](const PartitionSnapshot& partition) {
        const auto tag = session.forward(1, 1, run);
        const auto actions = session.on_delivery_failed(tag, partition);
        if (!only<action::ReadCursors>(actions)) {
            return false;
        }
        const auto answer = session.read(1, partition);
        REQUIRE(only<action::SendRewind>(answer));
        run = only<action::SendRewind>(answer)->run;
        return true;
    };
    CHECK(fail(at(10, 0)));
    CHECK_FALSE(fail(at(10, 0)));
    for (int i = 0; i < 1000; ++i) {
        CHECK(session.on_partition(at(10, 0)).empty());
    }
    CHECK(only<action::ReadCursors>(session.on_partition(at(11, 0))));  // a tick was committed
    CHECK(only<action::SendRewind>(session.read(1, at(11, 0))));
    run = 2;
    CHECK(fail(at(0, 0, 2)));  // the log began anew
}

TEST_CASE("a read that failed is asked for again when the log moves") {
    Session session;
    const auto tag = session.forward(1, 1);
    REQUIRE(only<action::ReadCursors>(session.on_delivery_failed(tag, at(10, 0))));
    session.on_cursors_unavailable();
    CHECK(only<action::ReadCursors>(session.on_partition(at(10, 0))));
}

TEST_CASE("a fork: the stream is closed in the database before the agent hears of it") {
    Session session;
    session.forward(1, 3);
    const auto asked = session.on_fork_request(Lane::normal, spool);
    REQUIRE(only<action::CloseStream>(asked));
    const auto answer = session.on_stream_closed(Lane::normal, spool, stands_at(3, closed));
    REQUIRE(only<action::SendSettled>(answer));
    CHECK(only<action::SendSettled>(answer)->cursor == stands_at(3, closed));
    CHECK_FALSE(session.has_unsettled());
    CHECK(session.on_progress(Lane::normal, spool, stands_at(9)).empty());
    CHECK(only<action::Refuse>(session.on_fork_request(Lane::urgent, spool)));
    CHECK(only<action::Refuse>(session.on_fork_request(Lane::normal, SpoolId{2})));
}

TEST_CASE("batches that were on their way to a closed stream are dropped, not refused") {
    Session session;
    session.forward(1, 3);
    const auto progress = session.on_progress(Lane::normal, spool, stands_at(2, closed));
    REQUIRE(only<action::SendSettled>(progress));
    CHECK(only<action::Drop>(session.on_batch(batch(4, 5), 2, at(0, 0))));
    CHECK(only<action::Drop>(session.on_batch(batch(6, 7), 3, at(0, 0))));
    CHECK(session.on_partition(at(99, 99)).empty());
}

TEST_CASE("an agent that does not keep to the window is not read, one that does is always read") {
    constexpr SessionLimits limits{1000, 1000, 500, 4};
    Session session{1, limits};
    for (Seq seq = 1; seq <= 4; ++seq) {
        CHECK(session.wants_more());
        session.forward(seq, seq);
    }
    CHECK(session.wants_more());  // four are allowed
    session.forward(5, 5);
    CHECK_FALSE(session.wants_more());
    session.on_progress(Lane::normal, spool, stands_at(2));
    CHECK(session.wants_more());

    Session heavy{1, {1000, 1000, 500, 1000}};
    for (Seq seq = 1; heavy.wants_more(); ++seq) {
        auto envelope = batch(seq, seq);
        envelope.wire_bytes = 60'000;
        REQUIRE(only<action::Produce>(heavy.on_batch(envelope, seq, at(0, 0))));
        REQUIRE(seq < 10);
    }
    CHECK(heavy.unsettled_bytes() >= 500);
}
