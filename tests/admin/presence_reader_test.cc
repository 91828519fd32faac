// The fleet's loop on a real Kafka and a real PostgreSQL.
#include <catch2/catch.hpp>

#include <fcntl.h>

#include <thread>

#include "adapters/kafka/producer.h"
#include "fleet/presence_reader.h"
#include "mimamori/uplink/v1/log.pb.h"
#include "support/kafka_topics.h"
#include "support/test_database.h"

using namespace mimamori;
using namespace std::chrono_literals;
using uplink::v1::Presence;

namespace {

struct Fixture {
    test::TestDatabase database;
    test::TestTopics topics;
    test::Tenant tenant = database.make_tenant("a");
    platform::Metrics metrics;
    platform::Events events{"fleet", metrics, ::open("/dev/null", O_WRONLY | O_CLOEXEC)};
    platform::Health health;
    platform::Clock clock;
    fleet::SilenceWatch silence{15min, clock, events};
    std::unique_ptr<adapters::kafka::Producer> producer =
        adapters::kafka::Producer::make({.bootstrap = test::kafka_bootstrap()}, [](const auto&) {}).value();

    std::jthread read() {
        platform::KafkaConfig kafka;
        kafka.bootstrap = test::kafka_bootstrap();
        kafka.presence_topic = topics.presence;
        auto reader =
            std::make_shared<fleet::PresenceReader>(database.login("fleet"), kafka, events, metrics, health, silence);
        return std::jthread{[reader](std::stop_token stop) { (void)reader->run(stop); }};
    }
    void send(const std::string& value) {
        REQUIRE(producer->send(topics.presence, 0, "1", value, 0));
        REQUIRE(producer->flush(20s));
    }
    std::string news(Presence::Kind kind, char session, std::int64_t at_us) const {
        Presence out;
        out.set_rental_id(tenant.rental.value);
        out.set_customer_id(tenant.customer.value);
        out.set_appliance_id(tenant.appliance.value);
        out.set_gateway("gw1");
        out.set_session_id(std::string(16, session));
        out.set_kind(kind);
        out.set_at_us(at_us);
        return out.SerializeAsString();
    }
    // Waits until the statement answers this number.
    bool becomes(const std::string& sql, std::int64_t wanted) {
        const auto deadline = std::chrono::steady_clock::now() + 30s;
        while (database.integer(sql) != wanted) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::sleep_for(20ms);
        }
        return true;
    }
    std::int64_t count(const std::string& event) {
        const auto text = metrics.text();
        const auto at = text.find("event=\"" + event + "\"");
        return at == std::string::npos ? 0 : std::stoll(text.substr(text.find("} ", at) + 2));
    }
};

const std::string heard = "select coalesce(max(to_us(last_heard_at)), 0) from presence";
const std::string cursor = "select coalesce(max(next_offset), 0) from topic_cursors";

}  // namespace

TEST_CASE("presence news reaches its row once, across restarts and past what cannot be read") {
    Fixture f;
    {
        const auto reader = f.read();
        f.send(f.news(Presence::CONNECTED, 'a', 1000));
        REQUIRE(f.becomes(heard, 1000));
        CHECK(f.database.integer("select count(*) from presence where connected") == 1);
        f.send("no presence");
        f.send(f.news(Presence::HEARTBEAT, 'a', 2000));
        REQUIRE(f.becomes(heard, 2000));
        CHECK(f.count("presence_unreadable") == 1);
        CHECK(f.health.answer().ready);
    }
    f.send(f.news(Presence::DISCONNECTED, 'a', 3000));
    CHECK(f.database.integer(cursor) == 3);
    const auto again = f.read();
    REQUIRE(f.becomes(heard, 3000));
    CHECK(f.becomes(cursor, 4));
    CHECK(f.count("presence_unreadable") == 1);
    CHECK(f.database.integer("select count(*) from presence where connected") == 0);
}

TEST_CASE("a cursor that Kafka does not hold is put where Kafka begins, and reading goes on") {
    Fixture f;
    f.database.query("insert into topic_cursors (topic, partition, next_offset) values ('" + f.topics.presence + "', 0, 1000)");
    f.send(f.news(Presence::CONNECTED, 'a', 1000));
    const auto reader = f.read();
    CHECK(f.becomes(heard, 1000));
    CHECK(f.becomes(cursor, 1));
    CHECK(f.count("presence_gap") >= 1);
}
