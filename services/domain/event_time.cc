#include "domain/event_time.h"

#include <algorithm>

namespace mimamori::domain {
namespace {

constexpr base::Micros oldest_tally = std::chrono::hours{24 * 31};
// Years 1 to 9999: what a calendar can show and the database can hold.
constexpr std::int64_t earliest_us = -62'135'596'800'000'000;
constexpr std::int64_t latest_us = 253'402'300'799'999'999;

// Clamped before and after, so that no sum overflows whatever the appliance says.
base::Time moved(std::int64_t at_us, std::int64_t by_us) {
    const auto at = std::clamp(at_us, earliest_us, latest_us);
    const auto by = std::clamp(by_us, earliest_us, latest_us);
    return base::time_from_us(std::clamp(at + by, earliest_us, latest_us));
}

}  // namespace

EventTimes event_times(const ReportedTimes& reported, base::Time received) {
    const auto at_us = reported.observed_us != 0 ? reported.observed_us : reported.spooled_us;
    if (at_us == 0) {
        return {std::nullopt, received, false};
    }
    const auto offset_us = reported.entry_offset_us != 0 ? reported.entry_offset_us : reported.session_offset_us;
    const auto corrected = moved(at_us, offset_us);
    const bool plausible = corrected >= received - oldest_plausible && corrected <= received + future_tolerated;
    return {corrected, plausible ? std::min(corrected, received) : received, !plausible};
}

bool clock_is_off(std::int64_t offset_us) {
    return offset_us > future_tolerated.count() || offset_us < -future_tolerated.count();
}

base::Time tally_hour(base::Time event, base::Time received) {
    return std::chrono::floor<std::chrono::hours>(event < received - oldest_tally ? received : event);
}

}  // namespace mimamori::domain
