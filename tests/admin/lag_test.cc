// What `admin status` says of a real Kafka.
#include <catch2/catch.hpp>

#include "adapters/kafka/producer.h"
#include "admin/commands.h"
#include "support/kafka_topics.h"
#include "support/test_database.h"

using namespace mimamori;
using namespace std::chrono_literals;

TEST_CASE("status tells for each partition how far the log is applied and how much waits") {
    test::TestDatabase database;
    test::TestTopics topics{2};
    database.query("insert into log_partitions (partition, next_offset) values (0, 2), (1, 9)");
    auto producer = adapters::kafka::Producer::make({.bootstrap = test::kafka_bootstrap()}, [](const auto&) {}).value();
    for (int i = 0; i < 5; ++i) {
        REQUIRE(producer->send(topics.batches, 0, "k", "v", 0));
    }
    REQUIRE(producer->flush(20s));
    const auto login = database.login("admin");
    const std::vector<std::string> sets{
        "postgres.host=" + login.host,           "postgres.port=" + std::to_string(login.port),
        "postgres.database=" + login.database,   "kafka.bootstrap=" + test::kafka_bootstrap(),
        "kafka.batches_topic=" + topics.batches, "kafka.partitions=2"};
    auto context = admin::make_context(platform::Config::load("admin", "", sets, {}).value(), false).value();
    const auto plain = admin::show_status(context);
    REQUIRE(plain);
    CHECK_THAT(*plain, Catch::Contains("applied up to offset 2 of 5, 3 behind, the first has waited "));
    CHECK_THAT(*plain, Catch::Contains("applied up to offset 9, but the log ends at 0: it was replaced"));
    context.json = true;
    const auto json = admin::show_status(context);
    REQUIRE(json);
    CHECK_THAT(*json, Catch::Contains(R"("kafka":{"answers":true)"));
    CHECK_THAT(*json, Catch::Contains(R"("log_end":5,"behind":3,"waits_since":")"));
}
