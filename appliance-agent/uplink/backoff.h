// How long to wait before the next connection: full jitter, so that many appliances that lost one gateway do not come
// back together. Pure; randomness is passed in.
#pragma once

#include <chrono>
#include <cstdint>

namespace mimamori::agent::uplink {

struct BackoffSettings {
    std::chrono::milliseconds first{1'000};     // upper bound of the first wait; doubles with each failure
    std::chrono::milliseconds longest{60'000};  // upper bound of any wait
    std::chrono::milliseconds refused{
        300'000};  // upper bound after the gateway refused us: asking again changes nothing soon
};

class Backoff {
  public:
    explicit Backoff(BackoffSettings settings) : settings_{settings} {}

    // Uniform in 0..bound; `random` is any 64 random bits.
    std::chrono::milliseconds after_failure(std::uint64_t random);
    std::chrono::milliseconds after_refusal(std::uint64_t random);
    void worked() { failures_ = 0; }

  private:
    BackoffSettings settings_;
    unsigned failures_ = 0;
};

}  // namespace mimamori::agent::uplink
