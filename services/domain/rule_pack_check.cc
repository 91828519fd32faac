#include "domain/rule_pack_check.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "base/text.h"
#include "domain/iso_2022_jp.h"
#include "domain/severity.h"

namespace mimamori::domain {
namespace {

using Defects = std::vector<PackDefect>;

std::string quoted(std::string_view text) {
    return "\"" + base::to_single_line(text) + "\"";
}

void sort_by_line(Defects& defects) {
    std::stable_sort(defects.begin(), defects.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
}

// Ids end in mails' logs, metrics and SQL: lower-case letters, digits and single separators.
bool is_id(std::string_view id) {
    return !id.empty() && id.size() <= 60 && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    });
}

class IdCheck {
  public:
    IdCheck(std::string kind, Defects& defects) : kind_{std::move(kind)}, defects_{defects} {}
    void add(const std::string& id, int line) {
        if (!is_id(id)) {
            defects_.push_back({line, kind_ + " id " + quoted(id) +
                                          " is not made of 1 to 60 of a-z, 0-9, '_', '-' and '.': rename it"});
        } else if (const auto [at, is_new] = lines_.emplace(id, line); !is_new) {
            defects_.push_back({line, kind_ + " id " + quoted(id) + " is taken by line " + std::to_string(at->second) +
                                          ": rename one of the two"});
        }
    }

  private:
    std::string kind_;
    Defects& defects_;
    std::map<std::string, int> lines_;
};

constexpr std::string_view links[] = {"http:", "https:", "www."};  // only the mail's own frame carries them

struct TextCheck {
    const SignatureClass& of;
    std::string_view language;
    int line;
    bool japanese;
    Defects& defects;

    void defect(std::string_view field, const std::string& what) const {
        defects.push_back({line, "class " + quoted(of.id) + ", " + std::string{field} + " in " + std::string{language} +
                                     ": " + what});
    }
    void sentence(std::string_view field, const std::string& text) const {
        if (base::trim(text).empty()) {
            return defect(field, "is missing: write it, customers read it");
        }
        if (text.size() > longest_text) {
            defect(field, "is longer than " + std::to_string(longest_text) + " bytes: shorten it");
        }
        if (base::to_single_line(text) != text) {
            defect(field, "holds a line break or another control character: make it one plain line");
        }
        for (const auto link : links) {
            if (text.find(link) != std::string::npos) {
                defect(field, "holds " + quoted(link) + ", but texts carry no links: leave it to the mail's frame");
            }
        }
        if (japanese) {
            if (const auto bad = first_outside_iso_2022_jp(text)) {
                defect(field, "holds " + quoted(*bad) + ", which is not in ISO-2022-JP: use another character");
            }
            if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
                defect(field, "is not Japanese: translate it");
            }
        } else if (std::any_of(text.begin(), text.end(),
                               [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
            defect(field, "holds characters outside ASCII: translate it");
        }
    }
    void sentences(std::string_view field, const std::vector<std::string>& texts) const {
        for (std::size_t i = 0; i < texts.size(); ++i) {
            sentence(std::string{field} + " " + std::to_string(i + 1), texts[i]);
        }
    }
    void all(const ClassText& text) const {
        sentence("title", text.title);
        sentence("summary", text.summary);
        sentence("explanation", text.explanation);
        sentence("risk", text.risk);
        if (!text.risk_let_through.empty()) {
            sentence("risk_let_through", text.risk_let_through);
        }
        sentences("steps", text.steps);
        sentences("further_steps", text.further_steps);
        if (of.action_needed == ActionNeeded::none) {
            if (text.steps.size() != 1 || !text.further_steps.empty()) {
                defect("steps",
                       "no action is needed, so there is exactly one, the sentence that says so, and nothing further");
            }
        } else if (text.steps.empty() || text.steps.size() > 3) {
            defect("steps", "there are " + std::to_string(text.steps.size()) + ": a layman gets one to three");
        }
        if (text.further_steps.size() > 2) {
            defect("further_steps", "there are more than two: keep the two that matter");
        }
    }
};

void check_class(const SignatureClass& c, Defects& defects) {
    TextCheck{c, "ja", c.ja.line, true, defects}.all(c.ja);
    TextCheck{c, "en", c.en.line, false, defects}.all(c.en);
    if (c.ja.risk_let_through.empty() != c.en.risk_let_through.empty()) {
        defects.push_back({c.line, "class " + quoted(c.id) + " has risk_let_through in one language only: give it in both"});
    }
    if (c.ja.steps.size() != c.en.steps.size() || c.ja.further_steps.size() != c.en.further_steps.size()) {
        defects.push_back({c.en.line, "class " + quoted(c.id) +
                                          ": ja and en do not have the same number of steps: give both the same"});
    }
    const bool starred =
        std::any_of(c.severity.begin(), c.severity.end(), [](const auto& s) { return s && *s >= Severity::two_stars; });
    if (starred && c.action_needed == ActionNeeded::none) {
        defects.push_back(
            {c.line, "class " + quoted(c.id) +
                         " has two stars or more but says that no action is needed: say needed or not_urgent"});
    }
}

void check_limits(const RulePack& pack, const std::string& who, const std::string& class_id, std::size_t cell,
                  Severity severity, int line, Defects& defects) {
    for (const auto& limit : pack.limits) {
        if (!limit.cells[cell] || (!limit.class_id.empty() && limit.class_id != class_id)) {
            continue;
        }
        const bool low = severity < limit.at_least;
        if (low || severity > limit.at_most) {
            defects.push_back({line, who + " has " + std::string{name_of(severity)} + " in " + cell_name(cell) +
                                         ", limit " + quoted(limit.id) + " allows at " + (low ? "least " : "most ") +
                                         std::string{name_of(low ? limit.at_least : limit.at_most)} +
                                         ": change the severity, or the limit with its source"});
        }
    }
}

void check_cells(const RulePack& pack, Defects& defects) {
    for (const auto& c : pack.classes) {
        for (std::size_t cell = 0; cell < cell_count; ++cell) {
            if (c.severity[cell]) {
                check_limits(pack, "class " + quoted(c.id), c.id, cell, *c.severity[cell], c.line, defects);
            }
        }
    }
    for (std::size_t cell = 0; cell < cell_count; ++cell) {
        if (function_of_cell(cell) == Function::unspecified) {
            continue;
        }
        const auto& given = pack.defaults[cell];
        if (given.class_id.empty()) {
            defects.push_back({pack.line, "defaults: " + cell_name(cell) +
                                              " has no class: add a row, a detection that no "
                                              "rule names needs one"});
        } else if (given.class_index == no_class) {
            defects.push_back({given.line, "defaults: there is no class " + quoted(given.class_id) +
                                               ": define it or correct the name"});
        } else if (!pack.classes[given.class_index].severity[cell]) {
            defects.push_back({given.line, "defaults: class " + quoted(given.class_id) + " has no severity in " +
                                               cell_name(cell) + ": add it to the class"});
        }
    }
}

void check_rules(const RulePack& pack, Defects& defects) {
    IdCheck ids{"rule", defects};
    for (const auto& rule : pack.rules) {
        const auto who = "rule " + quoted(rule.id);
        const auto defect = [&](const std::string& what) { defects.push_back({rule.line, who + what}); };
        ids.add(rule.id, rule.line);
        if (rule.pattern.empty() || rule.pattern.size() > longest_pattern) {
            defect(" has a pattern of " + std::to_string(rule.pattern.size()) + " bytes: it needs 1 to " +
                   std::to_string(longest_pattern));
        }
        if (base::trim(rule.source).empty()) {
            defect(" has no source: say where it comes from");
        }
        if (rule.is_regex && rule.examples.empty()) {
            defect(" has no example: a regular expression needs at least one name that it decides");
        }
        if (rule.cells.none()) {
            defect(" applies nowhere: give it a function and a direction");
        }
        if (rule.class_index == no_class) {
            defect(" has class " + quoted(rule.class_id) + ", which does not exist: define it or correct the name");
            continue;
        }
        for (std::size_t cell = 0; cell < cell_count; ++cell) {
            if (!rule.cells[cell]) {
                continue;
            }
            if (rule.severity) {
                check_limits(pack, who, rule.class_id, cell, *rule.severity, rule.line, defects);
            } else if (!pack.classes[rule.class_index].severity[cell]) {
                defect(" applies to " + cell_name(cell) + ", where class " + quoted(rule.class_id) +
                       " has no severity: narrow the rule or add it to the class");
            }
        }
    }
}

// Categories have no severity of their own, so their classes' limits are theirs.
void check_categories(const RulePack& pack, Defects& defects) {
    IdCheck ids{"category", defects};
    for (const auto& rule : pack.categories) {
        const auto defect = [&](const std::string& what) {
            defects.push_back({rule.line, "category " + quoted(rule.id) + what});
        };
        ids.add(rule.id, rule.line);
        if (base::trim(rule.source).empty()) {
            defect(" has no source: say where it comes from");
        }
        if (rule.category.empty() || rule.cells.none()) {
            defect(" applies nowhere: give it the detector's category, a function and a direction");
        }
        if (rule.class_index == no_class) {
            defect(" has class " + quoted(rule.class_id) + ", which does not exist: define it or correct the name");
            continue;
        }
        auto left = rule.cells;
        for (const auto& other : pack.categories) {
            if (&other == &rule) {
                break;
            }
            if (other.category == rule.category) {
                left &= ~other.cells;
            }
        }
        if (left != rule.cells) {
            defect(" is taken by an earlier one of " + quoted(rule.category) + ": narrow one of the two");
        }
        for (std::size_t cell = 0; cell < cell_count; ++cell) {
            if (rule.cells[cell] && !pack.defaults[cell].lists_names) {
                defect(" applies to " + cell_name(cell) + ", whose names are no signatures: narrow it");
            }
            if (rule.cells[cell] && !pack.classes[rule.class_index].severity[cell]) {
                defect(" applies to " + cell_name(cell) + ", where class " + quoted(rule.class_id) +
                       " has no severity: narrow it or add it to the class");
            }
        }
    }
}

void check_policies(const RulePack& pack, Defects& defects) {
    IdCheck ids{"mail policy", defects};
    for (const auto& policy : pack.mail_policies) {
        ids.add(policy.id, policy.line);
        if (policy.mailed[static_cast<std::size_t>(Severity::none)].any()) {
            defects.push_back({policy.line, "mail policy " + quoted(policy.id) +
                                                " mails detections without a star: leave severity none out"});
        }
        if (policy.mailed[static_cast<std::size_t>(Severity::three_stars)] != cells({}, {})) {
            defects.push_back(
                {policy.line, "mail policy " + quoted(policy.id) +
                                  " does not mail three_stars everywhere: a likely infection is never kept silent"});
        }
    }
    if (pack.mail_policy == SIZE_MAX) {
        defects.push_back(
            {pack.line, "mail_policy " + quoted(pack.mail_policy_id) + " does not exist: name one of mail_policies"});
    }
}

void check_several_signs(const RulePack& pack, Defects& defects) {
    const auto& rule = pack.several_signs;
    const auto defect = [&](const std::string& what) { defects.push_back({rule.line, "several_signs: " + what}); };
    const auto in = [](int value, int low, int high) { return value >= low && value <= high; };
    if (!rule.enabled) {
        return;
    }
    std::set<std::string_view> signs;
    for (const auto& c : pack.classes) {
        if (!c.sign.empty()) {
            signs.insert(c.sign);
        }
    }
    if (!in(rule.window_minutes, 1, 7 * 24 * 60) || !in(rule.lateness_minutes, 0, 7 * 24 * 60)) {
        defect("window_minutes is 1 to 10080 and lateness_minutes 0 to 10080: marks are kept that long");
    }
    if (rule.at_least < 2) {
        defect("at_least is " + std::to_string(rule.at_least) + ": one sign alone is not several, give 2 or more");
    } else if (static_cast<std::size_t>(rule.at_least) > signs.size()) {
        defect("at_least is " + std::to_string(rule.at_least) + " but the classes name only " +
               std::to_string(signs.size()) + " different signs: it could never happen");
    }
    if (rule.severity == Severity::none) {
        defect("severity is none: give it stars or switch it off");
    }
    if (rule.class_index == no_class) {
        defect("there is no class " + quoted(rule.class_id) + ": define it or correct the name");
    }
}

}  // namespace

std::string to_text(const PackDefect& defect) {
    return defect.line == 0 ? defect.what : "line " + std::to_string(defect.line) + ": " + defect.what;
}

std::vector<PackDefect> check_rule_pack(const RulePack& pack) {
    Defects defects;
    if (!is_id(pack.version)) {
        defects.push_back({pack.line, "version " + quoted(pack.version) +
                                          " is not made of 1 to 60 of a-z, 0-9, '_', '-' and '.': rename it"});
    }
    // The service began in 2019; microseconds here are a typing error's best witness.
    static constexpr base::Time earliest = base::time_from_us(1'546'268'400'000'000);  // 2019-01-01 in Japan
    static constexpr base::Time latest = base::time_from_us(4'102'412'400'000'000);    // 2100-01-01 in Japan
    if (pack.effective_from < earliest || pack.effective_from >= latest) {
        defects.push_back({pack.line, "effective_from is not between 2019 and 2099: correct the year"});
    }
    if (pack.rules.size() > most_rules || pack.classes.size() > most_classes ||
        pack.categories.size() > most_categories) {
        defects.push_back({pack.line, "more than " + std::to_string(most_rules) + " rules, " +
                                          std::to_string(most_classes) + " classes or " +
                                          std::to_string(most_categories) + " categories: merge some"});
        return defects;
    }
    IdCheck class_ids{"class", defects};
    for (const auto& c : pack.classes) {
        class_ids.add(c.id, c.line);
        check_class(c, defects);
    }
    IdCheck limit_ids{"limit", defects};
    for (const auto& limit : pack.limits) {
        limit_ids.add(limit.id, limit.line);
        if (!limit.class_id.empty() && pack.class_named(limit.class_id) == nullptr) {
            defects.push_back({limit.line, "limit " + quoted(limit.id) + " is for class " + quoted(limit.class_id) +
                                               ", which does not exist: define it or correct the name"});
        }
        if (limit.at_least > limit.at_most) {
            defects.push_back({limit.line, "limit " + quoted(limit.id) + " allows nothing: at_least is above at_most"});
        }
    }
    check_cells(pack, defects);
    check_rules(pack, defects);
    check_categories(pack, defects);
    check_policies(pack, defects);
    check_several_signs(pack, defects);
    sort_by_line(defects);
    return defects;
}

std::vector<PackDefect> check_rule_reach(const RulePack& pack, PatternMatcher& matcher) {
    Defects defects;
    const auto everything = matcher.match("zqj 0815 no such signature");
    for (const auto index : std::vector<RuleIndex>(everything.begin(), everything.end())) {
        defects.push_back({pack.rules[index].line, "rule " + quoted(pack.rules[index].id) +
                                                       " matches any name: narrow it, the defaults are for the rest"});
    }
    // A rule decides a name in those of its cells that no earlier rule has taken.
    const auto decides = [&](RuleIndex self, std::string_view name, bool& matches, std::string& winners) {
        auto left = pack.rules[self].cells;
        matches = false;
        for (const auto index : matcher.match(name)) {
            if (index == self) {
                matches = true;
                break;
            }
            if (index < self && (left & pack.rules[index].cells).any()) {
                winners += (winners.empty() ? "" : ", ") + quoted(pack.rules[index].id);
                left &= ~pack.rules[index].cells;
            }
        }
        return matches && left.any();
    };
    for (RuleIndex i = 0; i < pack.rules.size(); ++i) {
        const auto& rule = pack.rules[i];
        const auto try_name = [&](std::string_view name, int line, const char* what) {
            bool matches = false;
            std::string winners;
            if (decides(i, name, matches, winners)) {
                return;
            }
            const auto who = "rule " + quoted(rule.id) + " never decides its " + what + " " + quoted(name) + ": ";
            defects.push_back(
                {line, who + (matches ? "earlier rules take it (" + winners + "), move this one up or remove it"
                                      : std::string{"its pattern does not match it, correct one of the two"})});
        };
        if (!rule.is_regex) {
            try_name(rule.pattern, rule.line, "name");
        }
        for (const auto& example : rule.examples) {
            try_name(example.name, example.line, "example");
        }
    }
    sort_by_line(defects);
    return defects;
}

}  // namespace mimamori::domain
