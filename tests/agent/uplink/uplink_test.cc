// The uplink against a gateway over real mTLS: what is sent, freed, sent again, moved and refused.
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <random>

#include "agent/uplink/appliance.h"

using namespace mimamori;
using namespace mimamori::agent::uplink::testing;
namespace spool = mimamori::agent::spool;

TEST_CASE("entries go out in batches, and what is settled is freed") {
    World world;
    world.gateway.lan_ranges = {"192.168.7.0/24"};
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 500));
    world.appliance.commit(Lane::urgent, numbered(501, 503));
    REQUIRE(world.appliance.all_settled());
    REQUIRE(set_of(world.gateway.stored_payloads()) == set_of(numbered(1, 503)));
    REQUIRE(world.gateway.batches().size() < 20);
    REQUIRE(world.gateway.batches().front().lane() == test::pb::LANE_URGENT);  // it overtook
    REQUIRE(world.appliance.spool_->lane(Lane::normal).first() > 400);
    REQUIRE(world.appliance.lan == std::vector<std::string>{"192.168.7.0/24"});
    REQUIRE(world.gateway.all_hellos().front().firmware_version() == "fw-1");
    REQUIRE(world.gateway.refusals().empty());
    for (const auto& batch : world.gateway.batches()) {
        REQUIRE(batch.last() - batch.first() + 1 <= 200);
        REQUIRE(batch.entries().zstd() == (batch.entries().raw_size() >= 512));
    }
}

TEST_CASE(
    "a lane's batch waits until it is full or its first entry has waited long enough; an urgent one does not wait") {
    World world;
    world.appliance.settings.batch_delay = std::chrono::hours{1};
    world.appliance.settings.batch_entries = 50;
    world.appliance.settings.batch_bytes = 16'000;
    world.appliance.start();
    REQUIRE(world.appliance.step_until([&] { return world.appliance.uplink_->state().connected; }));
    world.appliance.commit(Lane::normal, numbered(1, 49));
    world.appliance.commit(Lane::urgent, numbered(100, 100));
    REQUIRE(world.appliance.step_until([&] { return world.gateway.stored_payloads().size() == 1; }));
    REQUIRE(world.gateway.batches().size() == 1);
    REQUIRE_FALSE(world.gateway.batches().front().entries().zstd());  // so little is not worth it
    world.appliance.commit(Lane::normal, numbered(50, 50));
    REQUIRE(world.appliance.step_until([&] { return world.gateway.stored_payloads().size() == 51; }));
    world.appliance.commit(Lane::normal, numbered(51, 59));
    world.appliance.commit(Lane::urgent, numbered(101, 101));
    REQUIRE(world.appliance.step_until([&] { return world.gateway.stored_payloads().size() == 52; }));
    REQUIRE(world.gateway.stream(Lane::normal)->cursor.next_seq == 51);
    world.appliance.commit(Lane::normal, {std::string(20'000, 'x')});  // few entries, but many bytes
    REQUIRE(world.appliance.step_until([&] { return world.gateway.stored_payloads().size() == 62; }));
    world.appliance.commit(Lane::normal, numbered(61, 61));
    world.appliance.uplink_->hurry();
    REQUIRE(world.appliance.all_settled());
}

TEST_CASE("nothing is freed before it is settled, however often the connection breaks") {
    World world;
    world.gateway.hold_settling(true);
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 300));
    REQUIRE(world.appliance.step_until([&] { return world.gateway.batches().size() >= 2; }));
    REQUIRE(world.appliance.spool_->lane(Lane::normal).first() == 1);
    for (int i = 2; i <= 4; ++i) {
        world.gateway.cut();
        REQUIRE(world.appliance.step_until(
            [&] { return world.gateway.hellos() == i && world.appliance.uplink_->state().connected; }));
    }
    REQUIRE(world.appliance.spool_->lane(Lane::normal).first() == 1);
    world.gateway.hold_settling(false);
    REQUIRE(world.appliance.all_settled());
    REQUIRE(set_of(world.gateway.stored_payloads()) == set_of(numbered(1, 300)));
    REQUIRE(world.gateway.refusals().empty());
}

TEST_CASE("what the log lost is sent again after a rewind, under the new run") {
    World world;
    world.gateway.lose_batches(2);
    world.appliance.settings.batch_entries = 20;
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 200));
    REQUIRE(world.appliance.all_settled());
    REQUIRE(set_of(world.gateway.stored_payloads()) == set_of(numbered(1, 200)));
    REQUIRE(world.appliance.uplink_->state().rewinds >= 1);
    const auto batches = world.gateway.batches();
    REQUIRE(std::any_of(batches.begin(), batches.end(), [](const auto& b) { return b.run() > 0 && b.first() == 1; }));
    REQUIRE(world.gateway.refusals().empty());
}

TEST_CASE("unsettled bytes of a lane are capped, and the window opens as they are settled") {
    World world;
    world.gateway.limits.max_unsettled_bytes_per_lane = 20'000;
    world.gateway.limits.max_batch_bytes = 4'096;
    world.gateway.hold_settling(true);
    world.appliance.settings.batch_entries = 10;
    world.appliance.settings.batch_bytes = 4'000;
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 400, 300));
    REQUIRE(world.appliance.step_until([&] {
        return world.appliance.uplink_->state().batches_sent > 3 &&
               world.appliance.uplink_->next_step(steady_clock::now()) > steady_clock::now() + milliseconds{100};
    }));
    REQUIRE(world.appliance.uplink_->state().entries_sent < 100);
    world.gateway.hold_settling(false);
    REQUIRE(world.appliance.all_settled());
    REQUIRE(world.gateway.stored_payloads().size() == 400);
}

TEST_CASE(
    "a spool restored from an old image is a fork: nothing is freed or sent until the stream is closed, then all "
    "moves") {
    World world;
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 50));
    REQUIRE(world.appliance.all_settled());
    world.appliance.stop();
    world.appliance.spool_.reset();
    std::filesystem::copy(world.appliance.spool_settings.folder, world.appliance.folder.path() / "image",
                          std::filesystem::copy_options::recursive);
    world.appliance.open_spool();
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(51, 80));
    REQUIRE(world.appliance.all_settled());
    world.appliance.stop();
    world.appliance.spool_.reset();
    std::filesystem::remove_all(world.appliance.spool_settings.folder);
    std::filesystem::rename(world.appliance.folder.path() / "image", world.appliance.spool_settings.folder);
    world.appliance.open_spool();
    SECTION("the cursor is beyond its last") {
        world.appliance.commit(Lane::normal, numbered(901, 910));
    }
    SECTION("another entry stands at the cursor") {
        world.appliance.commit(Lane::normal, numbered(901, 960));
    }
    const auto held = static_cast<int>(world.appliance.spool_->lane(Lane::normal).last_durable());
    world.appliance.start();
    REQUIRE(world.appliance.step_until([&] { return world.appliance.uplink_->state().forks == 1; }));
    REQUIRE(world.appliance.all_settled());
    auto expected = numbered(1, 80);
    for (const auto& text : numbered(901, 900 + held - 50)) {
        expected.push_back(text);
    }
    REQUIRE(set_of(world.gateway.stored_payloads()) == set_of(expected));
    REQUIRE(world.appliance.reported("spool_forked") == 1);
    REQUIRE(world.gateway.refusals().empty());
}

TEST_CASE("a stream that the service has closed while H agrees goes on from the cursor under a new id") {
    World world;
    world.gateway.hold_settling(true);
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 30));
    REQUIRE(world.appliance.step_until([&] { return !world.gateway.batches().empty(); }));
    world.gateway.hold_settling(false);
    REQUIRE(world.appliance.all_settled());
    world.gateway.change([](auto& streams) {
        for (auto& [id, stream] : streams) {
            if (stream.lane == Lane::normal) {
                stream.cursor.status = domain::delivery::StreamStatus::closed;
            }
        }
    });
    world.appliance.commit(Lane::normal, numbered(31, 60));
    world.gateway.cut();
    REQUIRE(world.appliance.step_until([&] { return world.appliance.uplink_->state().forks == 1; }));
    REQUIRE(world.appliance.all_settled());
    REQUIRE(set_of(world.gateway.stored_payloads()) == set_of(numbered(1, 60)));
    const auto stream = world.gateway.stream(Lane::normal).value();
    REQUIRE(stream.entries.size() == 30);
    REQUIRE(stream.entries.begin()->second.suspect().old_seq() == 31);
}

TEST_CASE("after the service's database was restored, what is no longer held is stated gone and the rest is sent") {
    World world;
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 100));
    REQUIRE(world.appliance.all_settled());
    const auto backup = world.gateway.streams();
    world.appliance.commit(Lane::normal, numbered(101, 300));
    REQUIRE(world.appliance.all_settled());
    REQUIRE(world.appliance.spool_->lane(Lane::normal).first() > 101);
    world.appliance.commit(Lane::normal, numbered(301, 310));
    world.gateway.cut();
    world.gateway.change([&](auto& streams) { streams = backup; });
    REQUIRE(world.appliance.all_settled());
    const auto stream = world.gateway.stream(Lane::normal).value();
    REQUIRE(stream.cursor.next_seq == 311);
    REQUIRE(stream.gone.size() == 1);
    REQUIRE(stream.gone.front().first == 101);
    REQUIRE(stream.entries.size() + (stream.gone.front().second - 100) == 310);
    REQUIRE(world.appliance.reported("spool_gone") == 1);
}

TEST_CASE("tombstones and damaged ranges are applied by the service, each entry counted") {
    World world;
    world.appliance.spool_settings.max_bytes = 12'000;
    world.appliance.open_spool();
    for (int i = 0; i < 20; ++i) {
        world.appliance.commit(Lane::normal, numbered(i * 10 + 1, i * 10 + 10, 50));
    }
    const auto given_up = world.appliance.spool_->given_up_entries();
    REQUIRE(given_up > 50);
    // One of the segments that are left goes bad.
    const auto folder = world.appliance.spool_->lane(Lane::normal).folder();
    const auto held = world.appliance.spool_->read(Lane::normal, given_up + 1, {.max_entries = 1});
    REQUIRE(held->kind == spool::Piece::Kind::entries);
    world.appliance.open_spool();
    std::filesystem::resize_file(spool::segment_path(folder, given_up + 1), 100);
    world.appliance.open_spool();
    world.appliance.start();
    REQUIRE(world.appliance.all_settled());
    const auto stream = world.gateway.stream(Lane::normal).value();
    REQUIRE(stream.cursor.next_seq == 201);
    REQUIRE(stream.tombstoned.size() == given_up);
    REQUIRE(stream.tombstoned.at(1).first == 1);
    REQUIRE(stream.damaged.size() == 1);
    REQUIRE(stream.entries.size() + stream.tombstoned.size() +
                (stream.damaged[0].second - stream.damaged[0].first + 1) ==
            200);
    REQUIRE(world.gateway.refusals().empty());
}

TEST_CASE("an entry that is too large for the gateway becomes a tombstone and does not stop its lane") {
    World world;
    world.gateway.limits.max_batch_bytes = 8'192;
    world.appliance.start();
    world.appliance.commit(Lane::normal, {"before", std::string(20'000, 'x'), "after"});
    REQUIRE(world.appliance.all_settled());
    const auto stream = world.gateway.stream(Lane::normal).value();
    REQUIRE(stream.entries.at(1).payload() == "before");
    REQUIRE(stream.tombstoned.size() == 1);
    REQUIRE(stream.tombstoned.contains(2));
    REQUIRE(stream.entries.at(3).payload() == "after");
    REQUIRE(world.gateway.refusals().empty());
}

TEST_CASE("a refusal is waited out for longer than a broken connection, and the next address is tried") {
    World world;
    test::FakeGateway second{world.authority, world.folder};
    world.appliance.settings.addresses = {world.gateway.address(), second.address()};
    world.gateway.refuse_hellos(1000);
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 10));
    REQUIRE(world.appliance.all_settled());
    REQUIRE(set_of(second.stored_payloads()) == set_of(numbered(1, 10)));
    REQUIRE(world.appliance.uplink_->state().address == second.address());
}

TEST_CASE("a refused agent says so and keeps everything") {
    World world;
    world.gateway.refuse_hellos(3);
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 10));
    REQUIRE(world.appliance.step_until([&] { return world.gateway.hellos() >= 3; }));
    REQUIRE(world.appliance.spool_->lane(Lane::normal).first() == 1);
    REQUIRE(world.appliance.all_settled());
    REQUIRE(world.appliance.reported("uplink_refused") >= 3);
    REQUIRE(set_of(world.gateway.stored_payloads()) == set_of(numbered(1, 10)));
}

TEST_CASE("a gateway that does not answer Hello is left") {
    World world;
    world.gateway.answers_hello = false;
    world.appliance.settings.answer_limit = milliseconds{100};
    world.appliance.start();
    REQUIRE(world.appliance.step_until([&] { return world.gateway.hellos() >= 3; }));
    REQUIRE_FALSE(world.appliance.uplink_->state().connected);
    REQUIRE(world.appliance.uplink_->state().last_error == "no answer to Hello");
}

TEST_CASE(
    "an agent with another authority's certificate gets no stream, and one that meets another's gateway gives none") {
    World world;
    test::TestAuthority stranger{"somebody else"};
    SECTION("the agent's certificate") {
        const auto pem = stranger.issue_appliance("UTM-0001");
        world.appliance.settings.certificates.certificate_file =
            world.appliance.folder.write("other.pem", pem.certificate);
        world.appliance.settings.certificates.key_file = world.appliance.folder.write("other.key", pem.private_key);
    }
    SECTION("the gateway's certificate") {
        world.appliance.settings.certificates.ca_file =
            world.appliance.folder.write("other-ca.pem", stranger.certificate());
    }
    world.appliance.start();
    world.appliance.commit(Lane::normal, numbered(1, 3));
    REQUIRE(world.appliance.step_until(
        [&] { return world.appliance.reported("uplink_ended") + world.appliance.reported("uplink_refused") >= 3; }));
    REQUIRE(world.gateway.hellos() == 0);
    REQUIRE_FALSE(world.appliance.uplink_->state().connected);
}

TEST_CASE("the clock's offset is measured against the gateway") {
    World world;
    world.gateway.clock_ahead_us = 90'000'000;
    world.appliance.start();
    REQUIRE(world.appliance.step_until([&] { return world.gateway.heartbeats().size() >= 2; }));
    REQUIRE(std::abs(world.appliance.uplink_->state().clock_offset_us - 90'000'000) < 5'000'000);
    REQUIRE(world.gateway.heartbeats().back().rejected_lines() == 3);
}

TEST_CASE("a large backlog goes out in bounded pieces") {
    World world;
    world.appliance.spool_settings.lane.segment_bytes = 256U << 10U;
    world.appliance.open_spool();
    const auto payloads = numbered(1, 5000, 500);
    world.appliance.commit(Lane::normal, payloads);
    world.appliance.start();
    REQUIRE(world.appliance.all_settled());
    REQUIRE(set_of(world.gateway.stored_payloads()) == set_of(payloads));
    for (const auto& batch : world.gateway.batches()) {
        REQUIRE(batch.entries().raw_size() <= (128U << 10U) + 10'000);
    }
}

TEST_CASE("an agent whose gateway reads no further waits for it, and does not burn the processor meanwhile") {
    World world;
    world.gateway.reads_on = false;
    world.appliance.spool_settings.lane.segment_bytes = 256U << 10U;
    world.appliance.open_spool();
    auto payloads = numbered(1, 1000, 0);
    std::mt19937 random{1};
    for (auto& payload : payloads) {  // does not become small by packing: more than a connection's window
        std::generate_n(std::back_inserter(payload), 500, [&] { return static_cast<char>(random()); });
    }
    world.appliance.commit(Lane::normal, payloads);
    world.appliance.start();
    REQUIRE(world.appliance.step_until([&] { return world.appliance.uplink_->state().batches_sent >= 2; }));
    int rounds = 0;
    const auto begin = steady_clock::now();
    REQUIRE(world.appliance.step_until([&] {
        ++rounds;
        return steady_clock::now() - begin > std::chrono::seconds{7};  // as many heartbeats
    }));
    REQUIRE(world.appliance.uplink_->state().connected);
    REQUIRE(rounds < 1000);
}
