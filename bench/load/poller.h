// Waits for sockets of one thread, and for other threads that wake it. Not who reads or writes: whoever waits does.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

namespace mimamori::bench {

class Poller {
  public:
    Poller();  // throws std::system_error, as do the others: without it nothing works
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    // Names `tag` whenever `fd` can be read or, if asked for, written. Forgotten when `fd` is closed.
    void add(int fd, std::uint64_t tag, bool for_writing);
    void change(int fd, std::uint64_t tag, bool for_writing);

    // The tags of those that have news, a bounded number at a time; none after `limit_us` or when woken.
    std::span<const std::uint64_t> wait(std::int64_t limit_us);

    void wake();  // any thread: wait() returns

  private:
    void control(int operation, int fd, std::uint64_t tag, bool for_writing);

    static constexpr std::size_t at_once = 64;
    int epoll_ = -1, event_ = -1;
    std::array<epoll_event, at_once> events_{};
    std::array<std::uint64_t, at_once> tags_{};
};

}  // namespace mimamori::bench
