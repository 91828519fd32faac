// The fleet's loop over the presence topic.
//
//   until stop: connect > read cursors > assign > until trouble: poll > fold > store rows and cursors in one
//   transaction > look who is silent
//   trouble: say so, wait a second, connect anew. Nothing is lost: the cursors move only with what they stand for.
#pragma once

#include <optional>
#include <stop_token>

#include "adapters/kafka/consumer.h"
#include "fleet/silence_watch.h"
#include "platform/config.h"
#include "platform/events.h"
#include "platform/health.h"
#include "platform/metrics.h"
#include "store/fleet_presence.h"

namespace mimamori::fleet {

class PresenceReader {
  public:
    // Records folded into one transaction at most.
    static constexpr std::size_t most_records = 2000;

    PresenceReader(store::Login login, platform::KafkaConfig kafka, platform::Events& events,
                   platform::Metrics& metrics, platform::Health& health, SilenceWatch& silence);

    base::Expected<void> run(std::stop_token stop);

  private:
    base::Expected<void> session(std::stop_token stop);
    base::Expected<std::size_t> step(adapters::kafka::Consumer& consumer, store::Connection& connection);
    base::Expected<void> assign(adapters::kafka::Consumer& consumer, std::int32_t partitions);

    store::Login login_;
    platform::KafkaConfig kafka_;
    platform::Events& events_;
    prometheus::Counter& records_;
    prometheus::Gauge& heard_at_;
    platform::Health::Check postgres_;
    platform::Health::Check topic_;
    SilenceWatch& silence_;
    store::TopicCursors cursors_;
};

}  // namespace mimamori::fleet
