#include "domain/severity.h"

#include <algorithm>
#include <string>

namespace mimamori::domain {
namespace {

const ByCell<std::string>& default_rule_ids() {
    static const auto ids = [] {
        ByCell<std::string> out;
        for (std::size_t cell = 0; cell < cell_count; ++cell) {
            out[cell] = "default." + cell_name(cell);
            std::replace(out[cell].begin(), out[cell].end(), ' ', '.');
        }
        return out;
    }();
    return ids;
}

Verdict verdict_of(const RulePack& pack, ClassIndex class_index, Severity severity, std::size_t cell) {
    Verdict verdict;
    verdict.severity = severity;
    verdict.mailable = is_mailed(pack, severity, function_of_cell(cell), direction_of_cell(cell));
    verdict.class_index = class_index;
    verdict.class_id = pack.classes[class_index].id;
    return verdict;
}

// The category that decides in this cell; null if there is none.
const CategoryRule* category_rule(const RulePack& pack, std::string_view category, std::size_t cell) {
    auto at =
        std::lower_bound(pack.categories.begin(), pack.categories.end(), category,
                         [](const CategoryRule& rule, std::string_view wanted) { return rule.category < wanted; });
    for (; at != pack.categories.end() && at->category == category; ++at) {
        if (at->cells[cell]) {
            return &*at;
        }
    }
    return nullptr;
}

}  // namespace

bool is_mailed(const RulePack& pack, Severity severity, Function function, Direction direction) {
    return severity != Severity::none && pack.mail_policies[pack.mail_policy]
                                             .mailed[static_cast<std::size_t>(severity)][cell_of(function, direction)];
}

Verdict judge(const RulePack& pack, const DetectionView& detection, Direction direction,
              std::span<const RuleIndex> matched) {
    const auto cell = cell_of(detection.function, direction);
    const auto function_cells = CellSet{0b1111} << cell_of(detection.function, Direction::unknown);
    bool known = false;
    for (const auto index : matched) {
        const auto& rule = pack.rules[index];
        if (rule.cells[cell]) {
            const auto& severity = rule.severity ? rule.severity : pack.classes[rule.class_index].severity[cell];
            auto verdict = verdict_of(pack, rule.class_index, *severity, cell);
            verdict.known = true;
            verdict.reason = Reason::rule;
            verdict.rule_id = rule.id;
            return verdict;
        }
        known = known || (rule.cells & function_cells).any();
    }
    const auto& given = pack.defaults[cell];
    // A site's or an application's category is no kind of signature.
    const bool asks = given.lists_names && !detection.category.empty();
    const auto* category = asks ? category_rule(pack, detection.category, cell) : nullptr;
    const auto class_index = category != nullptr ? category->class_index : given.class_index;
    auto verdict = verdict_of(pack, class_index, *pack.classes[class_index].severity[cell], cell);
    verdict.known = known || !given.lists_names;
    if (category != nullptr) {
        verdict.reason = Reason::category;
        verdict.rule_id = category->id;
        return verdict;
    }
    verdict.reason = known ? Reason::default_known : Reason::default_unknown;
    verdict.rule_id = default_rule_ids()[cell];
    return verdict;
}

Verdict judge_several_signs(const RulePack& pack, const DetectionView& detection, Direction direction) {
    auto verdict = verdict_of(pack, pack.several_signs.class_index, pack.several_signs.severity,
                              cell_of(detection.function, direction));
    verdict.known = true;
    verdict.reason = Reason::several_signs;
    verdict.rule_id = "several_signs";
    return verdict;
}

}  // namespace mimamori::domain
