// The rule packs as stored, compiled off the hot path and handed out by receive time. Only PostgreSQL is read: a pack is
// in force when it is loaded there and its date has come.
//
//   for ever: read ids and dates; compile what is, or will be, in force, and what a worker has asked for; swap the set
//
// Any thread may ask; a set that was handed out stays as it is.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "adapters/hyperscan/pack_matcher.h"
#include "domain/rule_pack.h"
#include "platform/events.h"
#include "store/connection.h"

namespace mimamori::correlator {

struct CompiledPack {
    std::int64_t id = 0;
    domain::RulePack pack;
    std::shared_ptr<const adapters::hyperscan::CompiledPatterns> patterns;
};

// What was known at one moment. Immutable.
class PackSet {
  public:
    enum class Why {
        ready,
        none_in_force,  // no pack was in force then
        not_compiled,   // there is one, but it is not compiled (yet)
        unusable,       // it cannot be compiled
    };
    struct Answer {
        Why why = Why::none_in_force;
        std::int64_t id = 0;  // of the pack in force, if there is one
        std::shared_ptr<const CompiledPack> pack;
    };
    Answer in_force(base::Time received_at) const;
    std::int64_t newest() const { return newest_; }  // highest id; 0: there is none

  private:
    friend class RulePacks;
    std::vector<domain::PackVersion> versions_;
    std::int64_t newest_ = 0;
    std::map<std::int64_t, std::shared_ptr<const CompiledPack>> compiled_;
    std::set<std::int64_t> unusable_;
};

class RulePacks {
  public:
    explicit RulePacks(platform::Events& events);

    std::shared_ptr<const PackSet> current() const;
    // A worker meets detections of a pack that is not compiled, or (0) a pack that is not known yet: the next refresh() is
    // for it.
    void want(std::int64_t id);
    // Waits until somebody wants something, the time has passed, or stop.
    void wait_for_wish(std::stop_token stop, std::chrono::milliseconds time);

    // Reads what is new and compiles what is needed at `now`.
    base::Expected<void> refresh(store::Connection& connection, base::Time now);

    static constexpr std::size_t most_wanted = 8;  // packs of the past kept compiled for a log that is read again

  private:
    base::Expected<void> compile(store::Connection& connection, std::int64_t id, PackSet& next);
    base::Expected<void> unusable(store::Connection& connection, std::int64_t id, const std::string& why, PackSet& next);

    platform::Events& events_;
    mutable std::mutex mutex_;
    std::condition_variable_any wished_;
    bool wish_ = false;
    std::shared_ptr<const PackSet> current_;
    std::vector<std::int64_t> wanted_;  // oldest wish first
};

}  // namespace mimamori::correlator
