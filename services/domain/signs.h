// Several independent signs on one device within a window make a finding of their own, as serious as known remote
// control. By event time, so that the order of arrival does not matter; with bounded lateness, so that marks can be
// forgotten. The marks themselves are rows of device_signs, kept by store.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "domain/rule_pack.h"
#include "domain/severity.h"

namespace mimamori::domain {

// Marks are kept to the minute: a device that repeats a sign a thousand times a minute has one mark of it.
struct SignMark {
    std::string_view sign;
    base::Time at{};
};

// The mark of a detection at `corrected_at` (event time), received at `received_at`. Empty if the rule is off, the
// class is no sign, the severity is below two stars, or the detection is too late. An event time in the future counts
// as the receive time.
std::optional<SignMark> sign_mark(const RulePack& pack, const Verdict& verdict, base::Time corrected_at,
                                  base::Time received_at);

// Marks before this are of no use to anything received at or after `received_at`.
base::Time forget_signs_before(const SeveralSignsRule& rule, base::Time received_at);

struct SeveralSigns {
    base::Time first{}, last{};           // of the marks in the window
    std::vector<std::string_view> signs;  // different ones, sorted
};
// Whether `added` completes the rule: some window of the rule's length holds it and at least rule.at_least different
// signs. `others`: the same device's marks within one window before and after it; more does no harm, any order.
std::optional<SeveralSigns> several_signs(const SeveralSignsRule& rule, std::span<const SignMark> others,
                                          const SignMark& added);

}  // namespace mimamori::domain
