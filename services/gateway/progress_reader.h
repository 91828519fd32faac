// Reads the progress topic, all partitions, from its end on, and gives each record to the shard that owns the partition it
// speaks of. Progress may be lost or late: positions and cursors are also read from PostgreSQL.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "adapters/kafka/consumer.h"
#include "gateway/settings.h"
#include "gateway/wire.h"
#include "platform/events.h"
#include "platform/metrics.h"

namespace mimamori::gateway {

// for ever: assign all partitions at their end; poll and hand on until one of them can no longer be read
class ProgressReader {
  public:
    using OnProgress = std::function<void(std::shared_ptr<const ProgressRecord> record, std::stop_token stop)>;

    ProgressReader(const Settings& settings, std::int32_t partitions, platform::Events& events,
                   platform::Metrics& metrics, OnProgress on_progress);

    // Reads until `stop`. `assigned` is called once, when the first assignment stands.
    void run(std::stop_token stop, const std::function<void()>& assigned);

  private:
    base::Expected<void> read(std::stop_token stop, const std::function<void()>& assigned);

    const Settings& settings_;
    const std::int32_t partitions_;
    platform::Events& events_;
    prometheus::Counter& records_;
    OnProgress on_progress_;
};

}  // namespace mimamori::gateway
