#include "domain/signs.h"

#include <algorithm>
#include <chrono>
#include <map>

namespace mimamori::domain {

using std::chrono::minutes;

base::Time forget_signs_before(const SeveralSignsRule& rule, base::Time received_at) {
    return received_at - minutes{rule.window_minutes} - minutes{rule.lateness_minutes};
}

std::optional<SignMark> sign_mark(const RulePack& pack, const Verdict& verdict, base::Time corrected_at,
                                  base::Time received_at) {
    const auto& rule = pack.several_signs;
    if (!rule.enabled || verdict.severity < Severity::two_stars || verdict.reason == Reason::several_signs) {
        return std::nullopt;
    }
    const auto& sign = pack.classes[verdict.class_index].sign;
    const auto at = std::min(corrected_at, received_at);
    if (sign.empty() || at < forget_signs_before(rule, received_at)) {
        return std::nullopt;
    }
    return SignMark{sign, std::chrono::floor<minutes>(at)};
}

std::optional<SeveralSigns> several_signs(const SeveralSignsRule& rule, std::span<const SignMark> others,
                                          const SignMark& added) {
    if (!rule.enabled) {
        return std::nullopt;
    }
    const minutes window{rule.window_minutes};
    std::vector<SignMark> near{added};
    for (const auto& mark : others) {
        if (mark.at >= added.at - window && mark.at <= added.at + window) {
            near.push_back(mark);
        }
    }
    std::sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    // Slide a window over the marks, ending at each in turn. It holds `added` once its end is not before it, since no
    // mark is further off than a window; the fullest such one is told.
    std::optional<SeveralSigns> best;
    std::map<std::string_view, int> held;
    for (std::size_t from = 0, to = 0; to < near.size(); ++to) {
        ++held[near[to].sign];
        for (; near[from].at < near[to].at - window; ++from) {
            if (--held[near[from].sign] == 0) {
                held.erase(near[from].sign);
            }
        }
        if (near[to].at < added.at || static_cast<int>(held.size()) < rule.at_least ||
            (best && held.size() <= best->signs.size())) {
            continue;
        }
        best = SeveralSigns{near[from].at, near[to].at, {}};
        for (const auto& [sign, count] : held) {
            best->signs.push_back(sign);
        }
    }
    return best;
}

}  // namespace mimamori::domain
