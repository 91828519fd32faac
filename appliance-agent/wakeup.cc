#include "appliance-agent/wakeup.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace mimamori::agent {

Wakeup::Wakeup() : descriptor_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    if (descriptor_ < 0) {
        std::abort();  // no descriptor is left at start: nothing could work
    }
}

Wakeup::~Wakeup() {
    ::close(descriptor_);
}

void Wakeup::wake() noexcept {
    const int saved = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put =
        ::write(descriptor_, &one, sizeof one);  // fails only if a wake is waiting already
    errno = saved;
}

void Wakeup::wait_until(std::chrono::steady_clock::time_point at, const std::vector<int>& readable) {
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(at - std::chrono::steady_clock::now());
    std::vector<pollfd> what{{descriptor_, POLLIN, 0}};
    for (const int descriptor : readable) {
        what.push_back({descriptor, POLLIN, 0});
    }
    (void)::poll(what.data(), what.size(),
                 static_cast<int>(std::clamp(left, milliseconds{0}, milliseconds{60'000}).count()));
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(descriptor_, &count, sizeof count);
}

}  // namespace mimamori::agent
