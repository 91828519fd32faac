#include <catch2/catch.hpp>

#include <algorithm>

#include "base/text.h"
#include "domain/delivery/partitioning.h"
#include "raw_peer.h"
#include "running_gateway.h"

using namespace mimamori;
using namespace mimamori::test;
using ::grpc::StatusCode;

TEST_CASE("a newer connection of the same appliance replaces the older one") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto older = gateway.greet(appliance, spool, 2);
    const auto newer = gateway.greet(appliance, spool, 2);
    CHECK(older->end().error_code() == StatusCode::ABORTED);
    newer->send(spool.batch(1, 2));
    CHECK(newer->next(pb::GatewayFrame::kReceived));
}

TEST_CASE("presence tells of connecting, heartbeats and the end, and the agent learns the clock") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    {
        const auto agent = gateway.greet(appliance, spool, 0);
        pb::AgentFrame frame;
        frame.mutable_heartbeat()->set_agent_clock_us(77);
        frame.mutable_heartbeat()->set_spool_bytes(1234);
        agent->send(frame);
        const auto ack = agent->next(pb::GatewayFrame::kHeartbeatAck);
        REQUIRE(ack);
        CHECK(ack->heartbeat_ack().agent_clock_us() == 77);
        CHECK(ack->heartbeat_ack().gateway_clock_us() > 1'600'000'000'000'000);
    }
    REQUIRE(eventually([&] { return gateway.presence().size() >= 3; }));
    const auto news = gateway.presence();
    REQUIRE(news.size() == 3);
    CHECK(news[0].kind() == pb::Presence::CONNECTED);
    CHECK(news[0].agent_version() == "0.1.0");
    CHECK(news[0].appliance_model() == "SS5100");
    CHECK(news[0].gateway() == "gateway-1");
    CHECK(news[1].kind() == pb::Presence::HEARTBEAT);
    CHECK(news[1].heartbeat().spool_bytes() == 1234);
    CHECK(news[2].kind() == pb::Presence::DISCONNECTED);
    for (const auto& one : news) {
        CHECK(one.rental_id() == appliance.tenant.rental.value);
        CHECK(one.customer_id() == appliance.tenant.customer.value);
        CHECK(one.session_id() == news[0].session_id());
    }
}

TEST_CASE("what stands in the log names itself to any reader of CloudEvents, by its record id") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto agent = gateway.greet(appliance, spool, 1);
    agent->send(spool.batch(1, 1));
    REQUIRE(agent->next(pb::GatewayFrame::kReceived));
    const auto consumer = adapters::kafka::Consumer::make({.bootstrap = kafka_bootstrap()});
    const auto partition = domain::delivery::partition_of(appliance.tenant.customer, gateway.topics().partitions);
    const auto record = (*consumer)->read_record(gateway.topics().batches, partition, 0, 10s);
    REQUIRE(record);
    REQUIRE(*record);
    pb::LogRecord read;
    REQUIRE(read.ParseFromString(std::string{(*record)->value()}));
    const auto id =
        base::to_hex({reinterpret_cast<const std::uint8_t*>(read.record_id().data()), read.record_id().size()});
    CHECK((*record)->header("ce_id") == id);
    CHECK((*record)->header("ce_source") == "/mimamori/gateway/gateway-1");
    CHECK((*record)->header("traceparent") == "00-" + id + "-" + id.substr(16) + "-00");
}

TEST_CASE("partitions that no correlator holds raise an alarm, which closes when all are held again") {
    RunningGateway gateway;
    REQUIRE(eventually([&] { return gateway.open_alarms("partitions_unread") == 1; }, 40s));
    gateway.database().query("update log_partitions set lease_until = now() + interval '10 minutes', holder = 'test'");
    CHECK(eventually([&] { return gateway.open_alarms("partitions_unread") == 0; }, 40s));
    CHECK(gateway.open_alarms("kafka_away") == 0);
}

TEST_CASE("a stopping gateway answers for what it took and tells its agents to come back") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto agent = gateway.greet(appliance, spool, 2);
    agent->send(spool.batch(1, 2));
    REQUIRE(agent->next(pb::GatewayFrame::kReceived));
    gateway.request_stop();
    CHECK(agent->end().error_code() == StatusCode::UNAVAILABLE);
    CHECK(gateway.stop());
    CHECK(gateway.batches().size() == 1);
    const auto news = gateway.presence();
    REQUIRE_FALSE(news.empty());
    CHECK(news.back().kind() == pb::Presence::DISCONNECTED);
}

TEST_CASE("connections beyond the limit are sent away, and a place that becomes free is given again") {
    RunningGateway gateway{[](gateway::Settings& settings) { settings.server.max_streams = 1; }};
    const auto first = gateway.enrol();
    const auto second = gateway.enrol();
    const Spool spool;
    auto agent = gateway.greet(first, spool, 0);
    const auto other = gateway.connect(second);
    other->send(hello({spool.state(0)}));
    CHECK(other->end().error_code() == StatusCode::RESOURCE_EXHAUSTED);
    agent.reset();
    CHECK(eventually([&] {
        const auto later = gateway.connect(second);
        later->send(hello({spool.state(0)}));
        return later->next(pb::GatewayFrame::kHelloAck).has_value();
    }));
}

TEST_CASE("a restored database makes the gateway start anew") {
    RunningGateway gateway;
    gateway.database().query("update database_identity set generation = decode(md5('another'), 'hex')");
    REQUIRE(eventually([&] { return gateway.ended(); }));
    const auto result = gateway.stop();
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == base::FailureKind::stopping);
}

TEST_CASE("a silent agent is cut off after three heartbeats") {
    RunningGateway gateway{[](gateway::Settings& settings) { settings.heartbeat = 2s; }};
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto agent = gateway.greet(appliance, spool, 0);
    CHECK(agent->end(10s).error_code() == StatusCode::UNAVAILABLE);  // not after six
}

TEST_CASE("a line so slow that one frame takes longer than three heartbeats is slow, not silent") {
    RunningGateway gateway{[](gateway::Settings& settings) { settings.heartbeat = 500ms; }};
    const auto appliance = gateway.enrol();
    const Spool spool;
    RawPeer slow{gateway.port()};
    REQUIRE(slow.shake_hands(appliance.identity));
    const auto call = slow.call();
    slow.send(call, framed(hello({spool.state(1)}).SerializeAsString()));
    REQUIRE(slow.exchange_until([&] { return !slow.answers[call].data.empty(); }));
    const auto frame = framed(spool.batch(1, 1, 0, 400).SerializeAsString());
    constexpr std::size_t pieces = 20;  // one every 200 ms
    for (std::size_t i = 0; i < pieces; ++i) {
        slow.send(call, frame.substr(frame.size() * i / pieces, frame.size() * (i + 1) / pieces - frame.size() * i / pieces));
        REQUIRE_FALSE(slow.exchange_until([&] { return slow.cut || slow.answers[call].closed; }, 200ms));
    }
    CHECK(eventually([&] { return gateway.batches().size() == 1; }));
    CHECK(slow.exchange_until([&] { return slow.answers[call].closed; }));  // and silent when it is
    CHECK(slow.answers[call].headers["grpc-message"] == "no heartbeat for too long");
}

TEST_CASE("a gateway that could never serve says why and does not start") {
    CHECK_THROWS_WITH((RunningGateway{[](gateway::Settings& settings) { settings.login.database = "no_such_database"; }}),
                      Catch::Contains("no_such_database"));
    CHECK_THROWS_WITH((RunningGateway{[](gateway::Settings& settings) { settings.server.key_file = "/nowhere/key"; }}),
                      Catch::Contains("key_file"));
}
