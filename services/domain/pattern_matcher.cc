#include "domain/pattern_matcher.h"

namespace mimamori::domain {

RememberingMatcher::RememberingMatcher(PatternMatcher& inner, std::size_t capacity)
    : inner_{inner}, capacity_{capacity} {}

std::span<const RuleIndex> RememberingMatcher::match(std::string_view name) {
    const auto known = names_.find(name);
    if (known != names_.end()) {
        return known->second;
    }
    const auto rules = inner_.match(name);
    if (name.size() > longest_name) {
        return rules;
    }
    if (names_.size() >= capacity_) {
        names_.clear();
    }
    return names_.emplace(std::string{name}, std::vector<RuleIndex>(rules.begin(), rules.end())).first->second;
}

}  // namespace mimamori::domain
