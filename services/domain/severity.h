// How severe a detection is and whether it is mailed: two decisions, both read from the rule pack (tables 3-7 and
// 4-21). Not the pack itself (rule_pack.h), not what becomes of the verdict (finding.h).
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "domain/rule_pack.h"

namespace mimamori::domain {

enum class Reason : std::uint8_t {
    rule,             // a rule of the pack names the signature in this function and direction
    default_known,    // rules name the signature, but for another direction: the cell's default class
    default_unknown,  // no rule names it for this function: the cell's default class
    category,         // no rule decides it, but the detector's own category says what kind it is
    several_signs,    // several independent signs on one device (signs.h)
};
inline constexpr std::array<std::string_view, 5> reason_names{"rule", "default_known", "default_unknown", "category",
                                                              "several_signs"};

// Views point into the pack, or to constants.
struct Verdict {
    Severity severity = Severity::none;
    bool mailable = false;
    bool known = false;  // false: no rule names it, and it goes to the operator's list of unknown signatures
    Reason reason = Reason::default_unknown;
    ClassIndex class_index = no_class;
    std::string_view class_id;
    std::string_view rule_id;  // the rule's, the category's, or "default.ips.inbound_attack" and the like
};

// `matched`: the rules whose pattern matches the detection's name(), smallest index first (pattern_matcher.h).
// `pack` must be free of defects (rule_pack_check.h) and outlive the verdict. What the appliance did (blocked, logged)
// decides nothing: everything that IPS, AV and WG see is blocked. Nor does the vendor's priority.
Verdict judge(const RulePack& pack, const DetectionView& detection, Direction direction,
              std::span<const RuleIndex> matched);

// The verdict of the rule of several signs; the detection is the one that completed them.
Verdict judge_several_signs(const RulePack& pack, const DetectionView& detection, Direction direction);

// The pack's own mail policy. A detection without a star is never mailed.
bool is_mailed(const RulePack& pack, Severity severity, Function function, Direction direction);

}  // namespace mimamori::domain
