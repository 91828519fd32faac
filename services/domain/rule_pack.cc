#include "domain/rule_pack.h"

#include <algorithm>

namespace mimamori::domain {

std::string cell_name(std::size_t cell) {
    return std::string{name_of(function_of_cell(cell))} + " " + std::string{name_of(direction_of_cell(cell))};
}

CellSet cells(std::span<const Function> functions, std::span<const Direction> directions) {
    const auto wanted = [](const auto& list, auto value) {
        return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
    };
    CellSet out;
    for (std::size_t cell = 0; cell < cell_count; ++cell) {
        const auto function = function_of_cell(cell);
        out[cell] = function != Function::unspecified && wanted(functions, function) &&
                    wanted(directions, direction_of_cell(cell));
    }
    return out;
}

const SignatureClass* RulePack::class_named(std::string_view id) const {
    const auto found = std::find_if(classes.begin(), classes.end(), [&](const auto& c) { return c.id == id; });
    return found == classes.end() ? nullptr : &*found;
}

void resolve(RulePack& pack) {
    const auto index_of = [&](std::string_view id) {
        const auto* found = pack.class_named(id);
        return found == nullptr ? no_class : static_cast<ClassIndex>(found - pack.classes.data());
    };
    for (auto& rule : pack.rules) {
        rule.class_index = index_of(rule.class_id);
    }
    for (auto& given : pack.defaults) {
        given.class_index = index_of(given.class_id);
    }
    std::stable_sort(pack.categories.begin(), pack.categories.end(),
                     [](const auto& a, const auto& b) { return a.category < b.category; });
    for (auto& rule : pack.categories) {
        rule.class_index = index_of(rule.class_id);
    }
    pack.several_signs.class_index = index_of(pack.several_signs.class_id);
    const auto policy = std::find_if(pack.mail_policies.begin(), pack.mail_policies.end(),
                                     [&](const auto& p) { return p.id == pack.mail_policy_id; });
    pack.mail_policy =
        policy == pack.mail_policies.end() ? SIZE_MAX : static_cast<std::size_t>(policy - pack.mail_policies.begin());
}

std::optional<std::size_t> version_in_force(std::span<const PackVersion> versions, base::Time received_at) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < versions.size(); ++i) {
        const auto& version = versions[i];
        if (version.effective_from > received_at) {
            continue;
        }
        if (!best || version.effective_from > versions[*best].effective_from ||
            (version.effective_from == versions[*best].effective_from && version.id > versions[*best].id)) {
            best = i;
        }
    }
    return best;
}

}  // namespace mimamori::domain
