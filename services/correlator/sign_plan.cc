#include "correlator/sign_plan.h"

#include <algorithm>
#include <chrono>

namespace mimamori::correlator {

std::size_t SignPlan::expect(base::CustomerId customer, std::string_view device_key, const domain::SignMark& mark,
                             const domain::SeveralSignsRule& rule) {
    const std::chrono::minutes window{rule.window_minutes};
    const auto [at, is_first] = index_.try_emplace({customer.value, std::string{device_key}}, devices_.size());
    if (is_first) {
        devices_.push_back({customer, std::string{device_key}, mark.at - window, mark.at + window});
        marks_.emplace_back();
    }
    auto& range = devices_[at->second];
    range.since = std::min(range.since, mark.at - window);
    range.until = std::max(range.until, mark.at + window);
    return at->second;
}

void SignPlan::stored(std::size_t device, std::string_view sign, base::Time at) {
    marks_[device].emplace(at, sign);
}

bool SignPlan::add(std::size_t device, const domain::SignMark& mark, const domain::SeveralSignsRule& rule) {
    auto& marks = marks_[device];
    const auto [at, is_new] = marks.emplace(mark.at, std::string{mark.sign});
    if (!is_new) {
        return false;
    }
    added_.push_back({devices_[device].customer, devices_[device].device_key, std::string{mark.sign}, mark.at});
    std::vector<domain::SignMark> others;
    const std::chrono::minutes window{rule.window_minutes};
    for (auto other = marks.lower_bound({mark.at - window, {}}); other != marks.end() && other->first <= mark.at + window; ++other) {
        if (other != at) {
            others.push_back({other->second, other->first});
        }
    }
    return domain::several_signs(rule, others, mark).has_value();
}

}  // namespace mimamori::correlator
