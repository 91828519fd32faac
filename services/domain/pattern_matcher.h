// Which rules of a pack match a name. The engine is exchanged: Hyperscan in production (adapters/hyperscan), a plain
// one in tests. Not the decision between several rules, which is judge()'s (severity.h).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "domain/rule_pack.h"

namespace mimamori::domain {

class PatternMatcher {
  public:
    virtual ~PatternMatcher() = default;
    // Rules whose pattern matches `name`, smallest index first, each once. Valid until the next call.
    // One thread at a time.
    virtual std::span<const RuleIndex> match(std::string_view name) = 0;

  protected:
    PatternMatcher() = default;
    PatternMatcher(const PatternMatcher&) = default;
    PatternMatcher& operator=(const PatternMatcher&) = default;
};

// Remembers what `inner` said: appliances repeat few names, and a lookup is much cheaper than a scan. Bounded:
// names longer than `longest_name` bytes are not kept, and when `capacity` names are kept all are forgotten.
class RememberingMatcher final : public PatternMatcher {
  public:
    static constexpr std::size_t default_capacity = 65'536;  // names
    static constexpr std::size_t longest_name = 256;         // bytes

    // `inner` must outlive this object. `capacity` is at least 1.
    explicit RememberingMatcher(PatternMatcher& inner, std::size_t capacity = default_capacity);
    std::span<const RuleIndex> match(std::string_view name) override;
    std::size_t remembered() const { return names_.size(); }

  private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };

    PatternMatcher& inner_;
    std::size_t capacity_;
    std::unordered_map<std::string, std::vector<RuleIndex>, Hash, std::equal_to<>> names_;
};

}  // namespace mimamori::domain
