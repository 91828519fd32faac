// What the gateway looks after while it serves: revoked certificates, the database's generation, log positions that progress
// did not bring, Kafka's topics, its own listener, and readiness. One thread; every step is bounded in time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "adapters/grpc/certificate.h"
#include "adapters/kafka/topics.h"
#include "gateway/reception.h"
#include "platform/health.h"

namespace mimamori::gateway {

// What must be known before the gateway can serve.
struct Surroundings {
    delivery::Generation generation;
    std::int32_t presence_partitions;
    std::int32_t progress_partitions;
};

class Checks {
  public:
    explicit Checks(platform::Health& health);
    platform::Health::Check postgres;
    platform::Health::Check kafka;
    platform::Health::Check listener;
};

// Waits until PostgreSQL (schema, generation, a row for each partition) and Kafka (topics) are as they should be; empty if
// `stop` came first. Refused if they never will be: another schema version, another partition count.
base::Expected<std::optional<Surroundings>> wait_for_surroundings(const Settings& settings, platform::Events& events,
                                                                  Checks& checks, std::stop_token stop);

class Maintenance {
  public:
    struct Parts {
        ShardContext& context;
        const std::vector<std::unique_ptr<Shard>>& shards;
        Reception& reception;
        adapters::grpc::DenyList& deny_list;
        Checks& checks;
        std::function<int()> port;          // of the listener
        std::function<bool()> was_crowded;  // the listener: since the last call
    };
    explicit Maintenance(Parts parts);

    // Reads the deny list once; before the listener opens.
    base::Expected<void> prepare();
    // Until `stop`; fails when the process must be started anew.
    base::Expected<void> run(std::stop_token stop);

  private:
    base::Expected<void> with_database();
    base::Expected<void> read_deny_list(store::Connection& connection);
    // Raises or closes an alarm about the services behind, where its state has changed since the last look.
    void tell(const platform::Event& event, std::string_view subject, bool wrong, const std::string& detail,
              std::optional<bool>& told);
    void watch_leases();
    void with_kafka();
    base::Expected<void> with_listener();

    Parts parts_;
    std::optional<store::Connection> connection_;
    std::unique_ptr<adapters::kafka::Topics> topics_;
    int probes_failed_ = 0;
    // What was last told of them; empty: nothing yet, so that the first look also closes an alarm of the life before.
    std::optional<bool> kafka_told_, leases_told_;
    int looks_unread_ = 0;
};

}  // namespace mimamori::gateway
