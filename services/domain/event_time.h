// When something happened, as far as the clocks of appliance, agent and gateway tell. Only the gateway's receive time is
// the service's own; the others may say 1970 or 2038.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace mimamori::domain {

struct ReportedTimes {               // microseconds since 1970; 0: not given
    std::int64_t observed_us = 0;    // the detector's clock
    std::int64_t spooled_us = 0;     // the agent's clock when the entry was numbered
    std::int64_t entry_offset_us = 0;   // gateway clock minus agent clock, last known when numbered
    std::int64_t session_offset_us = 0;  // the same, as last measured
};

struct EventTimes {
    std::optional<base::Time> corrected;  // observed (else spooled), moved by the offset; empty if neither was given
    base::Time event{};      // what rules and mails go by: the corrected time if it can be, else the receive time
    bool implausible = false;  // a time was given and cannot be: a clock is wrong
};

// A spool may hold events back for long, but not for ever; two clocks never agree quite.
inline constexpr base::Micros oldest_plausible = std::chrono::hours{24 * 366};
inline constexpr base::Micros future_tolerated = std::chrono::minutes{5};

EventTimes event_times(const ReportedTimes& reported, base::Time received);

// An agent's clock is so wrong that the operator should know.
bool clock_is_off(std::int64_t offset_us);

// The hour that blocks are counted in: the event's, or the receive time's if the event is older than the tallies that
// are kept at hand (31 days).
base::Time tally_hour(base::Time event, base::Time received);

}  // namespace mimamori::domain
