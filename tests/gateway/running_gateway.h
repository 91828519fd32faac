// The whole gateway in this process, on a real PostgreSQL and a real Kafka, and the correlator's side of it by hand.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "adapters/kafka/consumer.h"
#include "adapters/kafka/producer.h"
#include "agent.h"
#include "gateway/gateway.h"
#include "mimamori/uplink/v1/log.pb.h"
#include "support/kafka_topics.h"
#include "support/test_certificates.h"
#include "support/test_database.h"

namespace mimamori::test {

// True as soon as `condition` holds; false after `limit`.
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 15s);

class RunningGateway {
  public:
    // `change` may alter the settings before the start.
    explicit RunningGateway(const std::function<void(gateway::Settings&)>& change = {});
    ~RunningGateway();
    RunningGateway(const RunningGateway&) = delete;
    RunningGateway& operator=(const RunningGateway&) = delete;

    TestDatabase& database() { return database_; }
    const TestTopics& topics() const { return topics_; }
    const TestAuthority& authority() const { return authority_; }
    int port() const { return gateway_->port(); }
    bool ready() const { return health_.answer().ready; }

    // A new customer with one appliance that has a certificate.
    struct Appliance {
        Tenant tenant;
        Pem identity;
    };
    Appliance enrol();
    std::unique_ptr<Agent> connect(const Appliance& appliance);
    // Connects, says Hello for this spool and takes the HelloAck.
    std::unique_ptr<Agent> greet(const Appliance& appliance, const Spool& spool, std::uint64_t last);

    // All records in the batches topic so far, ticks left out.
    std::vector<pb::LogRecord> batches();
    // Ticks in it so far: one a second and partition while anything is unsettled there.
    std::size_t ticks();
    std::vector<pb::Presence> presence();
    std::int64_t open_alarms(const std::string& kind);

    // What a correlator would do: stores the stream up to next_seq (0: only the log position moves), and publishes.
    struct Commit {
        const Appliance& appliance;
        const Spool& spool;
        std::uint64_t next_seq = 0;
        bool with_database = true;
        bool with_progress = true;
        bool other_generation = false;
    };
    void commit(const Commit& what);

    void request_stop();                // returns at once
    base::Expected<void> stop();        // waits for the drained end
    bool ended() const { return ended_; }

  private:
    std::vector<pb::LogRecord> records();
    std::vector<std::string> read_topic(const std::string& topic, std::int32_t partitions);

    TestDatabase database_;
    TestTopics topics_;
    TestAuthority authority_;
    TemporaryFolder folder_;
    platform::Metrics metrics_;
    int null_fd_;
    platform::Events events_;
    platform::Health health_;
    platform::Clock clock_;
    std::unique_ptr<gateway::Gateway> gateway_;
    std::stop_source stop_;
    std::atomic<bool> ended_{false};
    base::Expected<void> result_;
    std::jthread thread_;
};

}  // namespace mimamori::test
