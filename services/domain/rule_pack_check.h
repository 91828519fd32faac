// Everything that is wrong with a rule pack, found before it is stored: pure, and all defects at once, each with the
// line of the pack's file and what to do. Not the reading of the file (adapters/pack_yaml).
#pragma once

#include <string>
#include <vector>

#include "domain/pattern_matcher.h"
#include "domain/rule_pack.h"

namespace mimamori::domain {

struct PackDefect {
    int line = 0;      // of the pack's file, from 1; 0: the whole file
    std::string what;  // what is wrong and what to do
};
std::string to_text(const PackDefect& defect);  // "line 12: class x has no title in ja: write one"

inline constexpr std::size_t most_rules = 20'000;
inline constexpr std::size_t most_classes = 500;
inline constexpr std::size_t most_categories = 500;
inline constexpr std::size_t longest_pattern = 1'000;  // bytes
inline constexpr std::size_t longest_text = 400;       // bytes of one customer-facing sentence or step

// Defects in what the pack says: ids, dates, references, severities against limits, defaults for every cell, texts in
// both languages. How the texts are worded is wording.h's. `pack` is resolved. Sorted by line.
std::vector<PackDefect> check_rule_pack(const RulePack& pack);

// Defects in which rule decides: an example its rule does not decide, a name that an earlier rule has already taken, a
// pattern that matches everything. `matcher` is compiled from `pack`, which check_rule_pack passed. Sorted by line.
std::vector<PackDefect> check_rule_reach(const RulePack& pack, PatternMatcher& matcher);

}  // namespace mimamori::domain
