#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "base/text.h"
#include "domain/delivery/partitioning.h"
#include "running_gateway.h"

using namespace mimamori;
using namespace mimamori::test;

TEST_CASE("HelloAck says the generation, the limits, the site's LAN ranges and where each lane stands") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool urgent{pb::LANE_URGENT};
    const Spool normal{pb::LANE_NORMAL};
    gateway.database().query("update sites set lan_ranges = '{10.1.0.0/16,fd00::/8}'");
    const auto agent = gateway.connect(appliance);
    agent->send(hello({urgent.state(0), normal.state(7)}));
    const auto frame = agent->next(pb::GatewayFrame::kHelloAck);
    REQUIRE(frame);
    const auto& ack = frame->hello_ack();
    CHECK(base::to_hex({reinterpret_cast<const std::uint8_t*>(ack.generation().data()), ack.generation().size()}) ==
          gateway.database().query("select encode(generation, 'hex') from database_identity")[0][0]);
    CHECK(ack.limits().max_batch_entries() == 1000);
    CHECK(ack.limits().heartbeat_seconds() == 30);
    REQUIRE(ack.lan_ranges_size() == 2);
    CHECK(ack.lan_ranges(0) == "10.1.0.0/16");
    CHECK(ack.lan_ranges(1) == "fd00::/8");
    REQUIRE(ack.lanes_size() == 2);
    CHECK(ack.lanes(0).lane() == pb::LANE_URGENT);
    CHECK(ack.lanes(0).next_seq() == 1);
    CHECK(ack.lanes(0).h() == urgent.h(1));
    CHECK(ack.lanes(1).spool_id() == normal.id_bytes);
    CHECK(gateway.database().integer("select count(*) from streams where status = 0") == 2);
}

// The newest word stands for those before it.
bool received_until(Agent& agent, std::uint64_t last) {
    while (const auto frame = agent.next(pb::GatewayFrame::kReceived)) {
        if (frame->received().last() >= last) {
            return true;
        }
    }
    return false;
}

TEST_CASE("a batch stands in Kafka once, under the identity of the certificate, and is received and then settled") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto agent = gateway.greet(appliance, spool, 5);
    agent->send(spool.batch(1, 5));
    const auto received = agent->next(pb::GatewayFrame::kReceived);
    REQUIRE(received);
    CHECK(received->received().last() == 5);

    const auto records = gateway.batches();
    REQUIRE(records.size() == 1);
    const auto& record = records[0];
    CHECK(record.customer_id() == appliance.tenant.customer.value);
    CHECK(record.site_id() == appliance.tenant.site.value);
    CHECK(record.rental_id() == appliance.tenant.rental.value);
    CHECK(record.appliance_id() == appliance.tenant.appliance.value);
    CHECK(record.stream_id() == gateway.database().integer("select id from streams"));
    CHECK(record.record_id().size() == 16);
    CHECK(record.received_at_us() > 0);
    CHECK(record.clock_offset_us() > 0);  // the test agent's clock stands at 1970
    CHECK(record.batch().SerializeAsString() == spool.batch(1, 5).batch().SerializeAsString());
    CHECK_FALSE(agent->next(pb::GatewayFrame::kSettled, 300ms));

    SECTION("by progress") {
        gateway.commit({appliance, spool, 6});
        const auto settled = agent->next(pb::GatewayFrame::kSettled);
        REQUIRE(settled);
        CHECK(settled->settled().next_seq() == 6);
        CHECK(settled->settled().h() == spool.h(6));
        CHECK(settled->settled().status() == pb::STREAM_STATUS_OPEN);
        CHECK(eventually([&] {
            return gateway.database().integer("select last_assigned from streams") == 5;
        }));
    }
    SECTION("not by progress of another database") {
        gateway.commit({appliance, spool, 6, false, true, true});
        CHECK_FALSE(agent->next(pb::GatewayFrame::kSettled, 1s));
    }
    SECTION("from PostgreSQL when the progress record was lost") {
        gateway.commit({appliance, spool, 6, true, false});
        const auto settled = agent->next(pb::GatewayFrame::kSettled);
        REQUIRE(settled);
        CHECK(settled->settled().next_seq() == 6);
    }
    CHECK(gateway.batches().size() == 1);
}

TEST_CASE("while something is unsettled a tick a second keeps the log moving, and no longer") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const auto partition_of = [&](const RunningGateway::Appliance& of) {
        return delivery::partition_of(of.tenant.customer, gateway.topics().partitions);
    };
    auto elsewhere = gateway.enrol();
    while (partition_of(elsewhere) == partition_of(appliance)) {
        elsewhere = gateway.enrol();
    }
    adapters::kafka::ConsumerSettings reading;
    reading.bootstrap = kafka_bootstrap();
    const auto consumer = adapters::kafka::Consumer::make(reading);
    const auto records = [&](const RunningGateway::Appliance& of) {
        return (*consumer)->query_watermarks(gateway.topics().batches, partition_of(of), 10s)->high;
    };
    const Spool spool, other_spool;
    const auto agent = gateway.greet(appliance, spool, 1);
    agent->send(spool.batch(1, 1));
    REQUIRE(agent->next(pb::GatewayFrame::kReceived));
    CHECK(eventually([&] { return records(appliance) >= 3; }));  // the batch and two ticks
    gateway.commit({appliance, spool, 2});
    REQUIRE(agent->next(pb::GatewayFrame::kSettled));
    const auto settled_at = records(appliance);
    const auto other = gateway.greet(elsewhere, other_spool, 1);
    other->send(other_spool.batch(1, 1));
    CHECK(eventually([&] { return records(elsewhere) >= 4; }));  // while three ticks came elsewhere
    CHECK(records(appliance) <= settled_at + 1);
}

TEST_CASE("what the log passed without storing it is asked for again, and the old run is dropped") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto agent = gateway.greet(appliance, spool, 9);
    agent->send(spool.batch(1, 3));
    agent->send(spool.batch(4, 6));
    REQUIRE(received_until(*agent, 6));
    gateway.commit({appliance, spool, 0});  // the correlator went past both and stored nothing
    const auto rewind = agent->next(pb::GatewayFrame::kRewind);
    REQUIRE(rewind);
    CHECK(rewind->rewind().from() == 1);
    CHECK(rewind->rewind().run() == 1);
    CHECK(rewind->rewind().spool_id() == spool.id_bytes);

    agent->send(spool.batch(7, 9, 0));  // was on its way
    agent->send(spool.batch(1, 6, 1));
    const auto received = agent->next(pb::GatewayFrame::kReceived);
    REQUIRE(received);
    CHECK(received->received().run() == 1);
    CHECK(received->received().last() == 6);
    CHECK(gateway.batches().size() == 3);  // the old run's last batch was not forwarded
    gateway.commit({appliance, spool, 7});
    const auto settled = agent->next(pb::GatewayFrame::kSettled);
    REQUIRE(settled);
    CHECK(settled->settled().next_seq() == 7);
}

TEST_CASE("an agent that comes back continues where PostgreSQL stands") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    {
        const auto agent = gateway.greet(appliance, spool, 4);
        agent->send(spool.batch(1, 4));
        REQUIRE(agent->next(pb::GatewayFrame::kReceived));
    }
    gateway.commit({appliance, spool, 3});
    const auto agent = gateway.connect(appliance);
    agent->send(hello({spool.state(4)}));
    const auto frame = agent->next(pb::GatewayFrame::kHelloAck);
    REQUIRE(frame);
    CHECK(frame->hello_ack().lanes(0).next_seq() == 3);
    CHECK(frame->hello_ack().lanes(0).h() == spool.h(3));
}

TEST_CASE("a forked spool's stream is closed for good, with an alarm and what is lost at least") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    {
        const auto agent = gateway.greet(appliance, spool, 8);
        agent->send(spool.batch(1, 5));
        REQUIRE(agent->next(pb::GatewayFrame::kReceived));
        gateway.commit({appliance, spool, 6});
        REQUIRE(agent->next(pb::GatewayFrame::kSettled));
        REQUIRE(eventually([&] { return gateway.database().integer("select last_assigned from streams") == 8; }));
    }
    // The spool comes back from an image in which only two entries were numbered.
    const auto agent = gateway.greet(appliance, spool, 2);
    pb::AgentFrame fork;
    fork.mutable_fork()->set_lane(spool.lane);
    fork.mutable_fork()->set_spool_id(spool.id_bytes);
    agent->send(fork);
    const auto settled = agent->next(pb::GatewayFrame::kSettled);
    REQUIRE(settled);
    CHECK(settled->settled().status() == pb::STREAM_STATUS_CLOSED);
    CHECK(settled->settled().next_seq() == 6);
    CHECK(gateway.database().query("select close_reason, status from streams")[0] == std::vector<std::string>{"fork", "1"});
    CHECK(gateway.open_alarms("stream_forked") == 1);
    // 6, 7 and 8 had been assigned and will never come.
    CHECK(gateway.database().query("select kind, first_seq, last_seq, entries, at_least from losses") ==
          std::vector<std::vector<std::string>>{{"fork", "6", "8", "3", "t"}});
    // Asking again changes nothing.
    const auto later = gateway.connect(appliance);
    later->send(hello({spool.state(2)}));
    const auto ack = later->next(pb::GatewayFrame::kHelloAck);
    REQUIRE(ack);
    CHECK(ack->hello_ack().lanes(0).status() == pb::STREAM_STATUS_CLOSED);
    CHECK(gateway.database().integer("select count(*) from losses") == 1);
}

TEST_CASE("a new spool supersedes the one before, which stays open, with an alarm") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool first;
    const Spool second;
    gateway.greet(appliance, first, 3);
    CHECK(gateway.open_alarms("stream_superseded") == 0);
    gateway.greet(appliance, second, 0);
    CHECK(gateway.open_alarms("stream_superseded") == 1);
    CHECK(gateway.database().integer("select count(*) from streams where status = 0 and superseded_at is not null") == 1);
    CHECK(gateway.database().integer("select count(*) from streams where status = 0 and superseded_at is null") == 1);
}

TEST_CASE("an agent whose batches do not settle is held back, and goes on when they do") {
    constexpr std::uint64_t cap = 200'000;
    RunningGateway gateway{[](gateway::Settings& settings) { settings.session.max_unsettled_bytes_per_lane = cap; }};
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto agent = gateway.greet(appliance, spool, 100);
    constexpr std::size_t entry_bytes = 50'000;
    std::jthread sending{[&] {
        for (std::uint64_t seq = 1; seq <= 20; ++seq) {
            agent->send(spool.batch(seq, seq, 0, entry_bytes));  // 1 MB in all
        }
    }};
    const auto taken = [&] {
        std::size_t bytes = 0;
        for (const auto& record : gateway.batches()) {
            bytes += record.batch().entries().data().size();
        }
        return bytes;
    };
    REQUIRE(eventually([&] { return taken() >= cap - entry_bytes; }));
    const auto ticks = gateway.ticks();
    REQUIRE(eventually([&] { return gateway.ticks() >= ticks + 2; }));  // a second: time enough to take all twenty
    CHECK(taken() <= cap + entry_bytes);
    const auto stored = gateway.batches().size();
    gateway.database().query(fmt::format("update streams set detections = {}, next_seq = {}", stored, stored + 1));
    gateway.commit({appliance, spool, 0});  // the cursor is read from PostgreSQL
    CHECK(eventually([&] { return gateway.batches().size() > stored; }));
    agent->hang_up();
}

TEST_CASE("all agents together are held back by the common cap") {
    constexpr std::uint64_t cap = 300'000;
    RunningGateway gateway{[](gateway::Settings& settings) { settings.max_unsettled_bytes = cap; }};
    const Spool spools[3];
    constexpr std::size_t entry_bytes = 50'000;
    std::vector<std::unique_ptr<Agent>> agents;
    std::vector<std::jthread> sending;
    for (const auto& spool : spools) {
        agents.push_back(gateway.greet(gateway.enrol(), spool, 100));
        sending.emplace_back([&spool, agent = agents.back().get()] {
            for (std::uint64_t seq = 1; seq <= 20; ++seq) {
                agent->send(spool.batch(seq, seq, 0, entry_bytes));
            }
        });
    }
    REQUIRE(eventually([&] { return gateway.batches().size() >= 6; }));
    const auto ticks = gateway.ticks();
    REQUIRE(eventually([&] { return gateway.ticks() >= ticks + 2; }));
    // Each may have one frame under way when the cap is reached.
    CHECK(gateway.batches().size() <= cap / entry_bytes + 3);
    for (const auto& agent : agents) {
        agent->hang_up();
    }
}
