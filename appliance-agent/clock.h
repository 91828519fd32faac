// The agent's one source of wall time. Tests steer it across processes through a file of 8 bytes: microseconds to add
// to the system clock, a signed little-endian integer, mapped once. Not for retries, timeouts and TLS: those stay on
// real time.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/failure.h"
#include "base/time.h"

namespace mimamori::agent {

class Clock {
  public:
    Clock() = default;  // the system clock as it is
    static base::Expected<Clock> steered_by(const std::string& file);
    // MIMAMORI_CLOCK_FILE, if it is set.
    static base::Expected<Clock> from_environment();
    Clock(Clock&& other) noexcept;
    Clock& operator=(Clock&& other) noexcept;
    ~Clock();

    base::Time now() const;

  private:
    const std::atomic<std::int64_t>* offset_us_ = nullptr;
};

}  // namespace mimamori::agent
