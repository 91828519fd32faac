// Ends a process whose loop no longer comes round: something below it waits for what never happens. Its supervisor
// starts it anew, and the spool has what is needed to go on. One at a time in a process; uses SIGALRM.
#pragma once

#include <chrono>

namespace mimamori::agent {

class HangGuard {
  public:
    // Ends the process with 1, and one line of the log (event `hung`), when alive() is not called for `limit`, counted
    // in real time from now on.
    explicit HangGuard(std::chrono::milliseconds limit);
    ~HangGuard();
    HangGuard(const HangGuard&) = delete;
    HangGuard& operator=(const HangGuard&) = delete;

    void alive();

  private:
    std::chrono::milliseconds limit_;
};

}  // namespace mimamori::agent
