// Rolls blocks up to (customer, hour, kind, key). Counts are exact; keys are bounded: beyond the limit of an hour a new
// key is counted as "(others)".
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "store/correlator_store.h"

namespace mimamori::correlator {

inline constexpr std::string_view other_keys = "(others)";
inline constexpr std::size_t longest_key = 255;  // bytes

// The keys that are in the database, as far as the worker has met them. Right only while the worker owns the partition and
// its transactions commit: after anything else, clear().
class BlockKeys {
  public:
    explicit BlockKeys(std::size_t most_per_group, std::size_t most_remembered = 500'000)
        : most_per_group_{most_per_group}, most_remembered_{most_remembered} {}

    void clear();
    void make_room();  // between transactions: forgets everything if there is too much
    bool knows(const store::TallyGroup& group) const { return groups_.contains(group); }
    void learn(const store::TallyGroup& group) { groups_[group]; }
    void learn(const store::TallyGroup& group, std::string_view key);

    // The key to count under: itself if it is there or there is room for it, else other_keys.
    std::string_view admit(const store::TallyGroup& group, std::string_view key);

    std::size_t remembered() const { return remembered_; }

  private:
    std::size_t most_per_group_;
    std::size_t most_remembered_;
    std::size_t remembered_ = 0;
    std::map<store::TallyGroup, std::unordered_set<std::string>> groups_;
};

class BlockPlan {
  public:
    // In the order of the log, which decides who gets the last room.
    void add(const store::TallyGroup& group, std::string_view key, std::string_view category, std::int64_t count);
    std::vector<store::TallyGroup> groups() const;
    std::vector<store::Tally> admitted(BlockKeys& keys) const;

  private:
    struct Group {
        std::vector<store::Tally> tallies;
        std::unordered_map<std::string, std::size_t> index;
    };
    std::map<store::TallyGroup, Group> groups_;
    std::string key_;  // reused
};

}  // namespace mimamori::correlator
