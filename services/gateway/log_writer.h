// What the gateway writes to Kafka: batches and ticks to the batches topic, presence to its own. Stamps identity and
// record id, and the headers of CloudEvents and W3C Trace Context; the content of a batch is passed through. Delivery
// reports go to the owner of the partition.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "adapters/kafka/producer.h"
#include "base/failure.h"
#include "base/ids.h"
#include "gateway/settings.h"
#include "gateway/wire.h"
#include "platform/events.h"
#include "platform/metrics.h"

namespace mimamori::gateway {

// Whose record it is, from the certificate alone.
struct Origin {
    base::CustomerId customer;
    base::SiteId site;
    base::RentalId rental;
    base::ApplianceId appliance;
};

class LogWriter {
  public:
    // `order` is the caller's number of the record within its partition. Called from the producer's thread.
    using OnDelivery = std::function<void(std::int32_t partition, std::uint64_t order, const adapters::kafka::Delivery&)>;

    LogWriter(const Settings& settings, platform::Events& events, platform::Metrics& metrics);

    // Before anything is written. `presence_partitions` as found at the broker.
    base::Expected<void> open(std::int32_t presence_partitions, OnDelivery on_delivery);
    // What is still under way is reported as failed.
    void close();

    // `body` is completed and sent; moved from. Any thread. On failure there is no delivery report.
    base::Expected<void> write(std::int32_t partition, std::uint64_t order, const Origin& origin, pb::LogRecord& body);
    base::Expected<void> write_tick(std::int32_t partition, std::uint64_t order, std::int64_t now_us);
    // Presence is a state that is told again: a lost one is counted, not retried.
    void write_presence(const pb::Presence& presence);

    bool flush(std::chrono::milliseconds limit);

  private:
    base::Expected<void> send(std::int32_t partition, std::uint64_t order, std::int64_t key, const pb::LogRecord& record);

    const Settings& settings_;
    platform::Events& events_;
    const std::string source_;  // as CloudEvents call who wrote a record
    prometheus::Counter& batches_;
    prometheus::Counter& bytes_;
    prometheus::Counter& presence_failed_;
    std::int32_t presence_partitions_ = 1;
    OnDelivery on_delivery_;
    std::unique_ptr<adapters::kafka::Producer> producer_;
};

}  // namespace mimamori::gateway
