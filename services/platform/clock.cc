#include "platform/clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace mimamori::platform {
namespace {

static_assert(std::atomic<std::int64_t>::is_always_lock_free && sizeof(std::atomic<std::int64_t>) == 8);

auto refused(const std::string& file, const std::string& why) {
    return base::failure(base::FailureKind::refused, "clock file " + file + ": " + why);
}

}  // namespace

base::Expected<Clock> Clock::steered_by(const std::string& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return refused(file, std::strerror(errno));
    }
    struct stat facts {};
    if (::fstat(fd, &facts) != 0 || facts.st_size != 8) {
        ::close(fd);
        return refused(file, "must hold exactly 8 bytes, microseconds as a signed integer");
    }
    void* mapped = ::mmap(nullptr, 8, PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    if (mapped == MAP_FAILED) {
        return refused(file, std::strerror(errno));
    }
    Clock clock;
    clock.offset_us_ = static_cast<const std::atomic<std::int64_t>*>(mapped);
    return clock;
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

base::Expected<void> steer_clock(const std::string& file, std::int64_t offset_us) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return refused(file, std::strerror(errno));
    }
    const auto put = ::pwrite(fd, &offset_us, sizeof offset_us, 0);
    ::close(fd);
    if (put != sizeof offset_us) {
        return refused(file, "cannot be written");
    }
    return {};
}

}  // namespace mimamori::platform
