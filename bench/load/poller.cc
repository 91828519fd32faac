#include "bench/load/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>

namespace mimamori::bench {
namespace {

constexpr std::uint64_t woken = UINT64_MAX;

int checked(int result, const char* what) {
    if (result < 0) {
        throw std::system_error{errno, std::generic_category(), what};
    }
    return result;
}

}  // namespace

Poller::Poller()
    : epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")},
      event_{checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")} {
    add(event_, woken, false);
}

Poller::~Poller() {
    ::close(event_);
    ::close(epoll_);
}

void Poller::add(int fd, std::uint64_t tag, bool for_writing) {
    control(EPOLL_CTL_ADD, fd, tag, for_writing);
}

void Poller::change(int fd, std::uint64_t tag, bool for_writing) {
    control(EPOLL_CTL_MOD, fd, tag, for_writing);
}

void Poller::control(int operation, int fd, std::uint64_t tag, bool for_writing) {
    epoll_event event{};
    event.events = EPOLLIN | (for_writing ? EPOLLOUT : 0U);
    event.data.u64 = tag;
    checked(::epoll_ctl(epoll_, operation, fd, &event), "epoll_ctl");
}

std::span<const std::uint64_t> Poller::wait(std::int64_t limit_us) {
    const timespec limit{limit_us / 1'000'000, limit_us % 1'000'000 * 1000};
    const int count = ::epoll_pwait2(epoll_, events_.data(), static_cast<int>(at_once), &limit, nullptr);
    if (count < 0 && errno != EINTR) {
        checked(count, "epoll_pwait2");
    }
    std::size_t named = 0;
    for (int i = 0; i < count; ++i) {
        const auto tag = events_[static_cast<std::size_t>(i)].data.u64;
        if (tag == woken) {
            std::uint64_t times = 0;
            (void)!::read(event_, &times, sizeof times);
        } else {
            tags_[named++] = tag;
        }
    }
    return {tags_.data(), named};
}

void Poller::wake() {
    const std::uint64_t once = 1;
    (void)!::write(event_, &once, sizeof once);
}

}  // namespace mimamori::bench
