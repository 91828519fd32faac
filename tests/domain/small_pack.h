// A small rule pack without defects, made by hand, for tests of the rules themselves. The shipped packs are tested
// in tests/adapters.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "domain/rule_pack.h"

namespace mimamori::tests {

using domain::Direction;
using domain::Function;
using domain::Severity;

inline domain::ClassText japanese_text(int line) {
    return {"題名", "概要です。", "説明です。", "リスクです。", {"手順です。"}, {}, line};
}
inline domain::ClassText english_text(int line) {
    return {"Title", "Summary.", "Explanation.", "Risk.", {"Step."}, {}, line};
}

inline domain::SignatureClass small_class(std::string id, const domain::CellSet& cells, Severity severity, int line) {
    domain::SignatureClass c;
    c.id = std::move(id);
    c.note = "test";
    c.line = line;
    c.ja = japanese_text(line + 1);
    c.en = english_text(line + 2);
    for (std::size_t cell = 0; cell < domain::cell_count; ++cell) {
        if (cells[cell]) {
            c.severity[cell] = severity;
        }
    }
    return c;
}

inline domain::SignatureRule small_rule(std::string id, std::string pattern, bool is_regex,
                                        std::vector<Function> functions, std::vector<Direction> directions,
                                        std::string class_id, int line) {
    domain::SignatureRule rule;
    rule.id = std::move(id);
    rule.source = "test";
    rule.pattern = std::move(pattern);
    rule.is_regex = is_regex;
    rule.cells = domain::cells(functions, directions);
    rule.class_id = std::move(class_id);
    rule.line = line;
    return rule;
}

inline constexpr std::size_t rat_rule = 0, family_rule = 1, password_rule = 2, tool_rule = 3;
inline constexpr std::size_t quiet_class = 0, low_class = 1, infection_class = 2, control_class = 3, several_class = 4;

inline domain::RulePack small_pack() {
    using F = Function;
    using D = Direction;
    domain::RulePack pack;
    pack.version = "small-1";
    pack.line = 1;
    pack.effective_from = base::from_civil_utc({2020, 3, 31, 15, 0, 0, 0});
    pack.mail_policy_id = "any_star";

    domain::MailPolicy any{"any_star", "test", {}, 10};
    domain::MailPolicy quiet{"no_inbound_av", "test", {}, 11};
    for (const auto s : {Severity::one_star, Severity::two_stars, Severity::three_stars}) {
        any.mailed[static_cast<std::size_t>(s)] = domain::cells({}, {});
        quiet.mailed[static_cast<std::size_t>(s)] = domain::cells({}, {});
    }
    quiet.mailed[static_cast<std::size_t>(Severity::one_star)].reset(domain::cell_of(F::av, D::inbound_attack));
    pack.mail_policies = {any, quiet};

    const auto at = [](std::vector<F> f, std::vector<D> d) { return domain::cells(f, d); };
    pack.limits = {
        {"ips-inbound", "test", at({F::ips}, {D::inbound_attack}), "", Severity::none, Severity::none, 20},
        {"av-inbound", "test", at({F::av}, {D::inbound_attack}), "", Severity::none, Severity::one_star, 21},
        {"av-outbound", "test", at({F::av}, {D::outbound_malicious}), "", Severity::two_stars, Severity::three_stars,
         22},
        {"one-class", "test", at({}, {}), "infection", Severity::none, Severity::two_stars, 23},
    };

    const auto quiet_cells = at({F::ips}, {D::inbound_attack}) | at({F::uf, F::apg}, {});
    const auto infection_cells = at({F::wg}, {}) | at({F::av}, {D::outbound_malicious, D::internal_weakness}) |
                                 at({F::ips}, {D::outbound_malicious});
    const auto low_cells = at({F::ips}, {D::outbound_malicious, D::internal_weakness, D::unknown}) |
                           at({F::av}, {D::inbound_attack, D::unknown});
    pack.classes = {
        small_class("quiet", quiet_cells, Severity::none, 100),
        small_class("low", low_cells, Severity::one_star, 110),
        small_class("infection", infection_cells, Severity::two_stars, 120),
        small_class("control", at({F::ips}, {D::outbound_malicious}), Severity::three_stars, 130),
        small_class("several", {}, Severity::none, 140),
    };
    pack.classes[infection_class].sign = "infection";
    pack.classes[control_class].sign = "control";

    const auto defaults = [&](const domain::CellSet& cells, std::string id, bool lists) {
        for (std::size_t cell = 0; cell < domain::cell_count; ++cell) {
            if (cells[cell]) {
                pack.defaults[cell] = {id, "test", lists, domain::no_class, 30};
            }
        }
    };
    defaults(at({F::wg}, {}) | at({F::av}, {D::outbound_malicious, D::internal_weakness}), "infection", true);
    defaults(at({F::wg}, {}), "infection", false);
    defaults(low_cells, "low", true);
    defaults(quiet_cells, "quiet", true);

    pack.several_signs = {true, 60, 30, 2, Severity::three_stars, "several", "test", domain::no_class, 40};

    pack.rules = {
        small_rule("rat", "Some RAT activity", false, {F::ips}, {D::outbound_malicious}, "control", 200),
        small_rule("family", "^Some ", true, {F::ips}, {D::outbound_malicious}, "infection", 210),
        small_rule("password", "password login", true, {F::ips}, {D::internal_weakness}, "low", 220),
        small_rule("tool", "^Hacktool", true, {F::av}, {D::inbound_attack}, "low", 230),
    };
    pack.rules[family_rule].examples = {{"Some trojan", 211}};
    pack.rules[password_rule].examples = {{"Default password login attempt", 221}};
    pack.rules[tool_rule].examples = {{"Hacktool.X", 231}};
    domain::resolve(pack);
    return pack;
}

}  // namespace mimamori::tests
