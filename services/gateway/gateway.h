// The gateway's parts, built in the order in which they lean on each other, from waiting for PostgreSQL and Kafka to the
// drained end.
#pragma once

#include <atomic>
#include <stop_token>

#include "gateway/maintenance.h"
#include "gateway/settings.h"
#include "platform/clock.h"
#include "platform/events.h"
#include "platform/health.h"
#include "platform/metrics.h"

namespace mimamori::gateway {

class Gateway {
  public:
    Gateway(Settings settings, const platform::Clock& clock, platform::Events& events, platform::Metrics& metrics,
            platform::Health& health);

    // Serves until `stop`, then drains. Fails when the process must be started anew, or could never serve.
    base::Expected<void> run(std::stop_token stop);

    int port() const { return port_.load(); }  // of the listener; 0 until it stands

  private:
    Settings settings_;
    const platform::Clock& clock_;
    platform::Events& events_;
    platform::Metrics& metrics_;
    Checks checks_;  // registered before anything runs: not ready until all are good
    std::atomic<int> port_{0};
};

}  // namespace mimamori::gateway
