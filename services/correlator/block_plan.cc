#include "correlator/block_plan.h"

#include "base/text.h"

namespace mimamori::correlator {

void BlockKeys::clear() {
    groups_.clear();
    remembered_ = 0;
}

void BlockKeys::make_room() {
    if (remembered_ > most_remembered_) {
        clear();
    }
}

void BlockKeys::learn(const store::TallyGroup& group, std::string_view key) {
    remembered_ += groups_[group].emplace(key).second ? 1U : 0U;
}

std::string_view BlockKeys::admit(const store::TallyGroup& group, std::string_view key) {
    auto& keys = groups_[group];
    const std::string text{key};
    if (keys.contains(text)) {
        return key;
    }
    if (keys.size() >= most_per_group_) {
        return other_keys;
    }
    keys.insert(text);
    ++remembered_;
    return key;
}

void BlockPlan::add(const store::TallyGroup& group, std::string_view key, std::string_view category, std::int64_t count) {
    key_ = key.size() <= longest_key ? std::string{key} : base::to_valid_utf8(key, longest_key);
    auto& members = groups_[group];
    const auto [at, is_first] = members.index.try_emplace(key_, members.tallies.size());
    if (is_first) {
        members.tallies.push_back({group, key_, base::to_valid_utf8(category, longest_key), 0});
    }
    members.tallies[at->second].count += count;
}

std::vector<store::TallyGroup> BlockPlan::groups() const {
    std::vector<store::TallyGroup> out;
    for (const auto& [group, members] : groups_) {
        out.push_back(group);
    }
    return out;
}

std::vector<store::Tally> BlockPlan::admitted(BlockKeys& keys) const {
    std::vector<store::Tally> out;
    for (const auto& [group, members] : groups_) {
        store::Tally others{group, std::string{other_keys}, "", 0};
        for (const auto& tally : members.tallies) {
            if (keys.admit(group, tally.key) == other_keys) {
                others.count += tally.count;
            } else {
                out.push_back(tally);
            }
        }
        if (others.count > 0) {
            out.push_back(std::move(others));
        }
    }
    return out;
}

}  // namespace mimamori::correlator
