#include "domain/mail_window.h"

namespace mimamori::domain {

base::Time window_end_before(base::Time now, base::Micros length) {
    const auto since = now.time_since_epoch();
    auto rest = since % length;
    if (rest < base::Micros{0}) {
        rest += length;
    }
    return base::Time{since - rest};
}

WindowDue window_due(base::Time closed_until, base::Time now, base::Micros length) {
    if (now < closed_until) {
        return {WindowDue::Why::clock_went_backwards, {}, {}};
    }
    const auto end = window_end_before(now, length);
    if (end <= closed_until) {
        return {WindowDue::Why::window_still_open, {}, {}};
    }
    return {WindowDue::Why::due, closed_until, end};
}

}  // namespace mimamori::domain
