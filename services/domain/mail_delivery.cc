#include "domain/mail_delivery.h"

#include <algorithm>

namespace mimamori::domain {

DeliveryDecision after_attempt(const DeliveryState& state, const SendOutcome& outcome, base::Time now, double jitter,
                               const DeliveryLimits& limits) {
    using Next = DeliveryDecision::Next;
    using Alarm = DeliveryDecision::Alarm;
    if (outcome.end == SendOutcome::End::accepted) {
        return {Next::sent, Alarm::none, {}};
    }
    if (outcome.end == SendOutcome::End::never) {
        return {Next::give_up, Alarm::refused_for_good, {}};
    }
    if (state.data_attempts >= limits.max_data_attempts) {
        return {Next::give_up, Alarm::attempts_used_up, {}};
    }
    if (now - state.first_attempt_at >= limits.give_up_after) {
        return {Next::give_up, Alarm::too_old, {}};
    }
    // Doubling from first_retry, with up to half of it taken off so that many mails do not come back at once.
    const int doublings = std::min(state.attempts - 1, 16);
    const auto full = std::min<base::Micros>(base::Micros{limits.first_retry} * (std::int64_t{1} << std::max(doublings, 0)),
                                             base::Micros{limits.longest_retry});
    const auto off = base::Micros{static_cast<std::int64_t>(static_cast<double>(full.count()) * 0.5 * jitter)};
    const bool slow = now - state.first_attempt_at >= limits.alarm_after;
    return {Next::retry, slow ? Alarm::relay_slow : Alarm::none, now + full - off};
}

}  // namespace mimamori::domain
