// Whole correlators in this process, on a real Kafka and a real PostgreSQL: threads, leases, handing over. What becomes
// of the records is entries_test's and apply_test's business.
#include <catch2/catch.hpp>

#include <fcntl.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "adapters/kafka/producer.h"
#include "correlator/log_maker.h"
#include "correlator/role.h"
#include "domain/delivery/partitioning.h"
#include "platform/process.h"
#include "store/admin_records.h"
#include "support/kafka_topics.h"
#include "support/test_database.h"

using namespace mimamori;
using namespace mimamori::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int32_t partitions = 3;

struct Surroundings {
    TestDatabase database;
    TestTopics topics{partitions};
    std::unique_ptr<adapters::kafka::Producer> producer =
        adapters::kafka::Producer::make({.bootstrap = kafka_bootstrap()}, [](const auto&) {}).value();
    std::vector<LogMaker> makers;

    Surroundings() {
        auto admin = database.connect("admin");
        REQUIRE(store::make_log_partitions(admin, partitions));
        std::ifstream in{std::string{MIMAMORI_SOURCE_DIR} + "/packs/mimamori-2020.yaml"};
        std::stringstream pack;
        pack << in.rdbuf();
        REQUIRE(store::add_rule_pack(admin, "2020.1", base::from_civil_utc({2020, 3, 31, 15, 0, 0, 0}), pack.str(),
                                     "test"));
        for (int i = 0; i < 6; ++i) {
            makers.emplace_back(database.make_tenant("customer " + std::to_string(i)));
        }
    }

    // So many more entries of every customer, each a record.
    void write(int count) {
        for (auto& maker : makers) {
            const auto customer = maker.tenant().customer;
            for (int i = 0; i < count; ++i) {
                const auto seq = maker.add(i % 2 == 0 ? attack(i % 200 + 1) : remote_control(i % 200 + 1));
                REQUIRE(producer->send(topics.batches, domain::delivery::partition_of(customer, partitions), "key",
                                       maker.batch(seq, seq), 0));
            }
        }
        REQUIRE(producer->flush(60s));
    }
    std::int64_t written() const {
        std::int64_t all = 0;
        for (const auto& maker : makers) {
            all += static_cast<std::int64_t>(maker.last());
        }
        return all;
    }

    bool becomes(const std::string& sql, std::int64_t wanted) {
        const auto deadline = std::chrono::steady_clock::now() + 90s;
        while (database.integer(sql) != wanted) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            std::this_thread::sleep_for(20ms);
        }
        return true;
    }
};

class RunningCorrelator {
  public:
    explicit RunningCorrelator(const Surroundings& around)
        : config_{make_config(around)}, process_{platform::Process::make(config_).value()}, thread_{[this] {
              result_ = correlator::run(*process_, config_);
          }} {}
    ~RunningCorrelator() { stop(); }

    bool stop() {
        process_->request_stop();
        if (thread_.joinable()) {
            thread_.join();
        }
        return result_.has_value();
    }
    bool ready() { return process_->health().answer().ready; }

  private:
    static platform::Config make_config(const Surroundings& around) {
        const auto login = around.database.login("correlator");
        const std::vector<std::string> sets{"postgres.host=" + login.host,
                                            "postgres.port=" + std::to_string(login.port),
                                            "postgres.database=" + login.database,
                                            "kafka.bootstrap=" + kafka_bootstrap(),
                                            "kafka.batches_topic=" + around.topics.batches,
                                            "kafka.progress_topic=" + around.topics.progress,
                                            "kafka.presence_topic=" + around.topics.presence,
                                            "kafka.partitions=" + std::to_string(partitions),
                                            "correlator.share_interval_ms=50",
                                            "correlator.poll_records=7"};
        auto config = platform::Config::load("correlator", "", sets, {});
        if (!config) {
            throw std::runtime_error(config.error().what);
        }
        return std::move(*config);
    }

    platform::Config config_;
    std::unique_ptr<platform::Process> process_;
    base::Expected<void> result_;
    std::thread thread_;
};

const std::string stored = "select count(*) from detections";
const std::string holders =
    "select count(distinct holder) from log_partitions where lease_until > now() and holder <> ''";

}  // namespace

TEST_CASE("correlators come and go while the log is read, and every entry is stored once") {
    Surroundings around;
    RunningCorrelator first{around};
    around.write(30);
    REQUIRE(around.becomes(stored, around.written()));
    {
        RunningCorrelator second{around};
        around.write(40);
        REQUIRE(around.becomes(holders, 2));
        around.write(40);
        REQUIRE(around.becomes(stored, around.written()));
        CHECK(first.ready());
        CHECK(second.ready());
        around.write(30);  // some of it is under way when one stops
        CHECK(first.stop());
        REQUIRE(around.becomes(holders, 1));
        REQUIRE(around.becomes(stored, around.written()));
        CHECK(second.stop());
    }
    CHECK(around.database.integer("select count(distinct (stream_id, seq)) from detections") == around.written());
    CHECK(around.database.integer("select sum(next_seq - 1) from streams") == around.written());
    CHECK(around.database.integer(holders) == 0);
}
