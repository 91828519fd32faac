#include "domain/liveness.h"

#include <algorithm>

namespace mimamori::domain {

void Liveness::heard(Steady now, std::chrono::microseconds age) {
    if (age > longest_gap()) {
        return;  // caught up with, but not of the present
    }
    if (!whole_since_ || now - *fresh_at_ > longest_gap()) {
        whole_since_ = now;
    }
    fresh_at_ = now;
}

Liveness::Verdict Liveness::look(Steady now) {
    if (fresh_at_ && now - *fresh_at_ <= longest_gap()) {
        return now - *whole_since_ >= silent_after_ ? Verdict::judging : Verdict::suspended;
    }
    const auto deaf_since = fresh_at_ ? std::max(*fresh_at_, reading_since_) : reading_since_;
    return now - deaf_since >= silent_after_ ? Verdict::deaf : Verdict::suspended;
}

}  // namespace mimamori::domain
