// Lets one thread sleep until a time or until something happens. Signals and other threads may wake it.
#pragma once

#include <chrono>
#include <vector>

namespace mimamori::agent {

class Wakeup {
  public:
    Wakeup();
    ~Wakeup();
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;

    void wake() noexcept;  // any thread, and signal handlers
    // Until `at`, a wake since the last return, or until one of `readable` is: whichever is first. Negative ones are
    // passed over.
    void wait_until(std::chrono::steady_clock::time_point at, const std::vector<int>& readable = {});

  private:
    int descriptor_;
};

}  // namespace mimamori::agent
