// Lets one thread sleep until a time or until something happens. Signals and other threads may wake it.
#pragma once

#include <chrono>

namespace mimamori::agent {

class Wakeup {
  public:
    Wakeup();
    ~Wakeup();
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;

    void wake() noexcept;  // any thread, and signal handlers
    // Until `at` or a wake since the last return, whichever is first.
    void wait_until(std::chrono::steady_clock::time_point at);

  private:
    int descriptor_;
};

}  // namespace mimamori::agent
