// When a mail is tried again, and when it is given up: the rules of the outbox. Pure; sending is an adapter's business.
// A rare double mail is tolerable, a missed one or silence is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace mimamori::domain {

// How far one attempt got (RFC 5321: replies 2yz accept, 4yz mean later, 5yz mean never).
struct SendOutcome {
    enum class End {
        accepted,      // 250 after the final dot
        later,         // no connection, 4yz, or a broken session before DATA
        never,         // 5yz
        in_doubt,      // DATA began and no final reply came: the mail may have been taken
    };
    End end = End::later;
    bool reached_data = false;  // the relay said 354
    std::string reply;          // the relay's last words or what went wrong; may hold anything, escape it where shown
};

struct DeliveryState {
    int attempts = 0;
    int data_attempts = 0;  // those that reached DATA
    base::Time created_at;
    base::Time first_attempt_at;
};

struct DeliveryLimits {
    int max_data_attempts = 5;
    std::chrono::hours give_up_after{48};
    std::chrono::minutes alarm_after{15};
    std::chrono::seconds first_retry{30};
    std::chrono::minutes longest_retry{15};
};

struct DeliveryDecision {
    enum class Next { sent, retry, give_up };
    enum class Alarm {
        none,
        relay_slow,        // still not taken after 15 minutes
        refused_for_good,  // 5yz
        attempts_used_up,  // five attempts reached DATA and none was confirmed
        too_old,           // 48 hours of refused connections and 4yz
    };
    Next next = Next::retry;
    Alarm alarm = Alarm::none;
    base::Time retry_at{};  // with retry
};

// What to do after an attempt that ended at `now`. `state` counts this attempt already. `jitter` is 0 to 1.
DeliveryDecision after_attempt(const DeliveryState& state, const SendOutcome& outcome, base::Time now, double jitter,
                               const DeliveryLimits& limits = {});

}  // namespace mimamori::domain
