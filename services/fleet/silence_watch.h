// Raises and closes the alarm `agent_silent`: one for each agent that was not heard of for too long, or one for all
// while nobody at all is heard of. When they may be judged is domain::Liveness' to say. Belongs to the thread that
// reads presence.
#pragma once

#include <chrono>
#include <optional>

#include "domain/liveness.h"
#include "platform/clock.h"
#include "platform/events.h"
#include "store/connection.h"

namespace mimamori::fleet {

class SilenceWatch {
  public:
    SilenceWatch(std::chrono::milliseconds silent_after, const platform::Clock& clock, platform::Events& events);

    // Reading begins or goes on after an interruption.
    void reading();
    // News of some agent was stored, the newest of this time.
    void heard(base::Time newest);
    // Looks if it is time to.
    base::Expected<void> look(store::Connection& connection);

  private:
    base::Expected<void> tell_of_all(store::Connection& connection, bool deaf);

    domain::Liveness liveness_;
    const platform::Clock& clock_;
    platform::Events& events_;
    std::chrono::steady_clock::time_point next_look_{};
    std::optional<bool>
        deaf_told_;  // empty: nothing yet, so that the first look also closes an alarm of the life before
};

}  // namespace mimamori::fleet
