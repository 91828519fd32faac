#include "appliance-agent/uplink/backoff.h"

#include <algorithm>

namespace mimamori::agent::uplink {
namespace {

std::chrono::milliseconds uniform(std::chrono::milliseconds bound, std::uint64_t random) {
    return std::chrono::milliseconds{random % (static_cast<std::uint64_t>(bound.count()) + 1)};
}

}  // namespace

std::chrono::milliseconds Backoff::after_failure(std::uint64_t random) {
    auto bound = settings_.first;
    for (unsigned i = 0; i < failures_ && bound < settings_.longest; ++i) {
        bound *= 2;
    }
    ++failures_;
    return uniform(std::min(bound, settings_.longest), random);
}

std::chrono::milliseconds Backoff::after_refusal(std::uint64_t random) {
    ++failures_;
    return uniform(settings_.refused, random);
}

}  // namespace mimamori::agent::uplink
