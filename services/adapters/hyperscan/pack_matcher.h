// The production pattern matcher: whole names in a hash table, regular expressions in one Hyperscan database.
// Compiling is slow (thousands of expressions take seconds) and belongs off the hot path; a scan takes about 1 µs, so
// put domain's RememberingMatcher in front. x86 only.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/failure.h"
#include "domain/pattern_matcher.h"
#include "domain/rule_pack.h"
#include "domain/rule_pack_check.h"

namespace mimamori::adapters::hyperscan {

// The compiled patterns of a pack. Immutable: any number of threads may share one. Does not refer to the pack.
class CompiledPatterns {
  public:
    // Expressions are PCRE as Hyperscan takes it (no look-around, no back-references), bytes, "." any byte, found
    // anywhere in the name, and may not match the empty name. Otherwise every bad one is told with its line.
    static tl::expected<std::shared_ptr<const CompiledPatterns>, std::vector<domain::PackDefect>> compile(
        const domain::RulePack& pack);

    struct Parts;
    explicit CompiledPatterns(std::unique_ptr<const Parts> parts);
    ~CompiledPatterns();
    CompiledPatterns(const CompiledPatterns&) = delete;
    CompiledPatterns& operator=(const CompiledPatterns&) = delete;

  private:
    friend class PackMatcher;
    std::unique_ptr<const Parts> parts_;
};

// One per thread: holds Hyperscan's scratch.
class PackMatcher final : public domain::PatternMatcher {
  public:
    // Fails (retry) only when memory is short.
    static base::Expected<std::unique_ptr<PackMatcher>> create(std::shared_ptr<const CompiledPatterns> patterns);
    ~PackMatcher() override;
    PackMatcher(const PackMatcher&) = delete;
    PackMatcher& operator=(const PackMatcher&) = delete;

    std::span<const domain::RuleIndex> match(std::string_view name) override;

  private:
    struct Scratch;
    PackMatcher(std::shared_ptr<const CompiledPatterns> patterns, std::unique_ptr<Scratch> scratch);

    std::shared_ptr<const CompiledPatterns> patterns_;
    std::unique_ptr<Scratch> scratch_;
    std::vector<domain::RuleIndex> found_;
};

}  // namespace mimamori::adapters::hyperscan
