// May the agents that were not heard of be called silent? Only if what tells of them works: after a restart, while old
// news is being caught up with, and after a gap on the way from the gateways, everybody seems silent and nobody need
// be. Knows no agent and no clock.
#pragma once

#include <chrono>
#include <optional>

namespace mimamori::domain {

class Liveness {
  public:
    using Steady = std::chrono::steady_clock::time_point;

    enum class Verdict {
        suspended,  // news comes late, or has not come on time for long enough: nobody can be judged
        judging,    // the way was whole for as long as an agent may be silent: who was not heard of in that time is
                    // silent
        deaf,       // reading works, but nobody at all was heard of for as long as one agent may be silent
    };

    explicit Liveness(std::chrono::milliseconds silent_after) : silent_after_{silent_after} {}

    // Reading begins or goes on after an interruption.
    void reading(Steady now) { reading_since_ = now; }
    // The newest news of some agent was sent so long ago.
    void heard(Steady now, std::chrono::microseconds age);
    Verdict look(Steady now);

    std::chrono::milliseconds silent_after() const { return silent_after_; }
    // Without any news for longer than this the way counts as interrupted; agents are heard of more often.
    std::chrono::milliseconds longest_gap() const { return silent_after_ / 3; }

  private:
    std::chrono::milliseconds silent_after_;
    Steady reading_since_{};
    std::optional<Steady> fresh_at_;     // when news last came on time
    std::optional<Steady> whole_since_;  // since when it has come on time without a gap
};

}  // namespace mimamori::domain
