// The one source of wall time: what roles call `now`. Tests steer it across processes through a file.
// Not for leases, retries, timeouts and TLS: those stay on the steady clock, the system clock and PostgreSQL's.
//
// The file (section `clock`, key `file`, or MIMAMORI_CLOCK_FILE) holds 8 bytes: microseconds to add to the system clock, a signed
// integer in the machine's byte order. It is mapped once; whoever steers writes those 8 bytes in place.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/failure.h"
#include "base/time.h"

namespace mimamori::platform {

class Clock {
  public:
    Clock() = default;  // the system clock as it is
    static base::Expected<Clock> steered_by(const std::string& file);
    Clock(Clock&& other) noexcept;
    Clock& operator=(Clock&& other) noexcept;
    ~Clock();

    base::Time now() const;

  private:
    const std::atomic<std::int64_t>* offset_us_ = nullptr;  // mapped, or null
};

// Writes the offset; makes the file if there is none. For tests and demonstrations.
base::Expected<void> steer_clock(const std::string& file, std::int64_t offset_us);

}  // namespace mimamori::platform
