#include <catch2/catch.hpp>

#include "running_gateway.h"

using namespace mimamori;
using namespace mimamori::test;
using ::grpc::StatusCode;

TEST_CASE("an agent that breaks the protocol is cut off with a reason and an alarm, and nothing of it reaches Kafka") {
    struct Row {
        const char* what;
        std::function<pb::AgentFrame(const Spool&)> frame;
    };
    const auto altered = [](const std::function<void(pb::Batch&)>& change) {
        return [change](const Spool& spool) {
            auto frame = spool.batch(1, 3);
            change(*frame.mutable_batch());
            return frame;
        };
    };
    const std::vector<Row> rows{
        {"a spool that Hello did not name", altered([](pb::Batch& b) { b.set_spool_id(std::string(16, 'x')); })},
        {"a spool id of 15 bytes", altered([](pb::Batch& b) { b.set_spool_id(std::string(15, 'x')); })},
        {"a lane that Hello did not name", altered([](pb::Batch& b) { b.set_lane(pb::LANE_ROLLUP); })},
        {"a lane that does not exist", altered([](pb::Batch& b) { b.set_lane(static_cast<pb::Lane>(9)); })},
        {"a run that nobody asked for", altered([](pb::Batch& b) { b.set_run(5); })},
        {"a range that does not follow", altered([](pb::Batch& b) { b.set_first(2); b.set_last(4); })},
        {"a backward range", altered([](pb::Batch& b) { b.set_first(3); b.set_last(1); })},
        {"a count that is not the range's", altered([](pb::Batch& b) { b.mutable_entries()->set_count(2); })},
        {"a declared size that is not the data's", altered([](pb::Batch& b) { b.mutable_entries()->set_raw_size(7); })},
        {"a bomb", altered([](pb::Batch& b) { b.mutable_entries()->set_zstd(true); b.mutable_entries()->set_raw_size(1U << 30U); })},
        {"a short hash", altered([](pb::Batch& b) { b.set_h_before("short"); })},
        {"a batch without entries", altered([](pb::Batch& b) { b.clear_body(); })},
        {"a tombstone without digests or hash", altered([](pb::Batch& b) { b.mutable_tombstone(); })},
        {"a tombstone with a digest too few", altered([](pb::Batch& b) { b.mutable_tombstone()->set_digests(std::string(32, 'd')); })},
        {"a second Hello", [](const Spool& spool) { return hello({spool.state(3)}); }},
        {"an empty frame", [](const Spool&) { return pb::AgentFrame{}; }},
        {"a fork of another spool", [](const Spool&) {
             pb::AgentFrame frame;
             frame.mutable_fork()->set_lane(pb::LANE_NORMAL);
             frame.mutable_fork()->set_spool_id(std::string(16, 'y'));
             return frame;
         }},
    };
    RunningGateway gateway;
    const auto bystander = gateway.enrol();
    const Spool unharmed;
    const auto neighbour = gateway.greet(bystander, unharmed, 1);
    for (const auto& row : rows) {
        INFO(row.what);
        const auto appliance = gateway.enrol();
        const Spool spool;
        const auto agent = gateway.greet(appliance, spool, 3);
        agent->send(row.frame(spool));
        const auto status = agent->end();
        CHECK(status.error_code() == StatusCode::INVALID_ARGUMENT);
        CHECK_FALSE(status.error_message().empty());
    }
    CHECK(eventually([&] { return gateway.open_alarms("envelope_violation") == static_cast<std::int64_t>(rows.size()); }));
    CHECK(gateway.batches().empty());
    neighbour->send(unharmed.batch(1, 1));
    CHECK(neighbour->next(pb::GatewayFrame::kReceived));
}

TEST_CASE("another rental's spool is not to be had by naming it") {
    RunningGateway gateway;
    const auto owner = gateway.enrol();
    const auto thief = gateway.enrol();
    const Spool spool;
    const auto agent = gateway.greet(owner, spool, 5);
    agent->send(spool.batch(1, 3));
    REQUIRE(agent->next(pb::GatewayFrame::kReceived));
    gateway.commit({owner, spool, 4});

    const auto other = gateway.connect(thief);
    other->send(hello({spool.state(5)}));
    const auto ack = other->next(pb::GatewayFrame::kHelloAck);
    REQUIRE(ack);
    REQUIRE(ack->hello_ack().lanes_size() == 1);
    CHECK(ack->hello_ack().lanes(0).next_seq() == 1);  // a stream of its own, where nothing stands yet
    other->send(spool.batch(1, 2));
    CHECK(other->next(pb::GatewayFrame::kReceived));
    agent->send(spool.batch(4, 5));
    CHECK(agent->next(pb::GatewayFrame::kReceived));
    const auto batches = gateway.batches();
    REQUIRE(batches.size() == 3);
    for (const auto& record : batches) {
        CHECK(record.rental_id() == (record.batch().last() == 2 ? thief : owner).tenant.rental.value);
    }
    CHECK(gateway.database().integer("select count(*) from streams where next_seq = 4") == 1);
}

TEST_CASE("a frame over the size limit ends the connection, not the gateway") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    {
        const auto agent = gateway.greet(appliance, spool, 1);
        agent->send(spool.batch(1, 1, 0, 3'000'000));
        CHECK(agent->end().error_code() != StatusCode::OK);
    }
    const auto agent = gateway.greet(appliance, spool, 1);
    agent->send(spool.batch(1, 1));
    CHECK(agent->next(pb::GatewayFrame::kReceived));
    CHECK(gateway.batches().size() == 1);
}

TEST_CASE("who does not say Hello first, or not at all, is cut off") {
    RunningGateway gateway{[](gateway::Settings& settings) { settings.hello_limit = 300ms; }};
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto hasty = gateway.connect(appliance);
    hasty->send(spool.batch(1, 1));
    CHECK(hasty->end().error_code() == StatusCode::INVALID_ARGUMENT);
    const auto silent = gateway.connect(appliance);
    CHECK(silent->end().error_code() == StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("an agent that never reads what it is told is cut off, and others go on") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const auto neighbour = gateway.enrol();
    const Spool spool;
    Agent deaf{gateway.port(), gateway.authority().certificate(), appliance.identity, false, true};
    deaf.send(hello({spool.state(0)}));
    pb::AgentFrame heartbeat;
    heartbeat.mutable_heartbeat()->set_agent_clock_us(1);
    int sent = 0;
    while (sent < 100'000 && deaf.send(heartbeat)) {
        ++sent;
    }
    // What the gateway keeps for it, and what both windows hold.
    CHECK(sent < static_cast<int>(adapters::grpc::Stream::max_queued_frames) + 16'000);
    const auto agent = gateway.greet(neighbour, spool, 1);
    agent->send(spool.batch(1, 1));
    CHECK(agent->next(pb::GatewayFrame::kReceived));
}

TEST_CASE("an appliance that makes spools without end is stopped before it fills the table") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    gateway.database().query("insert into streams (rental_id, customer_id, lane, spool_id, h_before)"
                             " select r.id, r.customer_id, 1, decode(md5(n::text), 'hex'), decode(md5('h'), 'hex')"
                             " from rentals r, generate_series(1, 100) n");
    const auto agent = gateway.connect(appliance);
    const Spool spool;
    agent->send(hello({spool.state(0)}));
    CHECK(agent->end().error_code() == StatusCode::PERMISSION_DENIED);
    CHECK(gateway.open_alarms("too_many_streams") == 1);
    CHECK(gateway.database().integer("select count(*) from streams") == 100);
}
