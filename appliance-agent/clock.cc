#include "appliance-agent/clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace mimamori::agent {

base::Expected<Clock> Clock::steered_by(const std::string& file) {
    const auto refused = [&](const std::string& why) {
        return base::failure(base::FailureKind::refused, "clock file " + file + ": " + why);
    };
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return refused(std::strerror(errno));
    }
    struct stat facts {};
    const bool fits = ::fstat(descriptor, &facts) == 0 && facts.st_size == 8;
    void* mapped = fits ? ::mmap(nullptr, 8, PROT_READ, MAP_SHARED, descriptor, 0) : MAP_FAILED;
    ::close(descriptor);
    if (mapped == MAP_FAILED) {
        return refused("must be a file of exactly 8 bytes, microseconds as a signed integer");
    }
    Clock clock;
    clock.offset_us_ = static_cast<const std::atomic<std::int64_t>*>(mapped);
    return clock;
}

base::Expected<Clock> Clock::from_environment() {
    const char* file = std::getenv("MIMAMORI_CLOCK_FILE");
    return file == nullptr || *file == '\0' ? base::Expected<Clock>{Clock{}} : steered_by(file);
}

Clock::Clock(Clock&& other) noexcept : offset_us_{std::exchange(other.offset_us_, nullptr)} {}

Clock& Clock::operator=(Clock&& other) noexcept {
    std::swap(offset_us_, other.offset_us_);
    return *this;
}

Clock::~Clock() {
    if (offset_us_ != nullptr) {
        ::munmap(const_cast<std::atomic<std::int64_t>*>(offset_us_), 8);
    }
}

base::Time Clock::now() const {
    const auto real = std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
    return offset_us_ == nullptr ? real : real + base::Micros{offset_us_->load(std::memory_order_relaxed)};
}

}  // namespace mimamori::agent
