#include "adapters/pack_yaml/pack_yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <utility>

#include "adapters/pack_yaml/yaml_reader.h"
#include "base/time.h"

namespace mimamori::adapters::pack_yaml {
namespace {

using namespace mimamori::domain;

std::optional<ActionNeeded> action_needed_named(std::string_view name) {
    return named<ActionNeeded>(name, action_needed_names);
}
std::optional<Function> reported_function_named(std::string_view name) {
    const auto function = function_named(name);
    return function == Function::unspecified ? std::nullopt : function;
}

// `functions` and `directions` of a mapping as cells; a list that is left out stands for all.
CellSet read_cells(Mapping& from) {
    const auto functions = from.words<Function>("functions", reported_function_named);
    const auto directions = from.words<Direction>("directions", direction_named);
    return cells(functions, directions);
}

ClassText read_text(Mapping& from) {
    ClassText text;
    text.line = from.line();
    const auto one = [&](const char* key) {
        text.lines.push_back(from.line(key));
        return from.text(key);
    };
    text.title = one("title");
    text.summary = one("summary");
    text.explanation = one("explanation");
    text.risk = one("risk");
    if (auto other = from.optional_text("risk_let_through")) {
        text.lines.push_back(other->line);
        text.risk_let_through = std::move(other->value);
    }
    for (auto [key, out] : {std::pair{"steps", &text.steps}, std::pair{"further_steps", &text.further_steps}}) {
        for (auto& step : from.texts(key)) {
            text.lines.push_back(step.line);
            out->push_back(std::move(step.value));
        }
    }
    return text;
}

SignatureClass read_class(Mapping& from) {
    SignatureClass c;
    c.line = from.line();
    c.id = from.text("id");
    c.note = from.text("note");
    c.action_needed = from.word("action_needed", action_needed_named);
    c.sign = from.optional_text("sign").value_or(Text{}).value;
    from.mappings("severity", "class \"" + c.id + "\", severity", [&](Mapping& row) {
        const auto severity = row.word("severity", severity_named);
        const auto wanted = read_cells(row);
        for (std::size_t cell = 0; cell < cell_count; ++cell) {
            if (wanted[cell] && std::exchange(c.severity[cell], severity)) {
                row.defect(row.line(), "gives " + cell_name(cell) + " twice: keep one row for it");
            }
        }
    });
    from.mapping("ja", [&](Mapping& text) { c.ja = read_text(text); });
    from.mapping("en", [&](Mapping& text) { c.en = read_text(text); });
    return c;
}

SignatureRule read_rule(Mapping& from) {
    SignatureRule rule;
    rule.line = from.line();
    rule.id = from.text("id");
    rule.source = from.text("source");
    rule.is_regex = from.has("regex");
    if (rule.is_regex == from.has("name")) {
        from.defect(from.line(), "needs either name (a whole name) or regex (a pattern), not both");
    }
    rule.pattern = from.optional_text("name").value_or(Text{}).value;
    if (const auto regex = from.optional_text("regex")) {
        rule.pattern = regex->value;
    }
    rule.caseless = !from.boolean("case_sensitive", false);
    if (!from.has("functions")) {
        from.defect(from.line(), "has no functions: say which function reports these names");
    }
    rule.cells = read_cells(from);
    rule.class_id = from.text("class");
    rule.severity = from.optional_word("severity", severity_named);
    for (auto& example : from.texts("examples")) {
        rule.examples.push_back({std::move(example.value), example.line});
    }
    return rule;
}

CategoryRule read_category(Mapping& from) {
    CategoryRule rule;
    rule.line = from.line();
    rule.id = from.text("id");
    rule.source = from.text("source");
    rule.category = from.text("category");
    if (!from.has("functions")) {
        from.defect(from.line(), "has no functions: say which function reports this category");
    }
    rule.cells = read_cells(from);
    rule.class_id = from.text("class");
    return rule;
}

SeverityLimit read_limit(Mapping& from) {
    SeverityLimit limit;
    limit.line = from.line();
    limit.id = from.text("id");
    limit.source = from.text("source");
    limit.cells = read_cells(from);
    limit.class_id = from.optional_text("class").value_or(Text{}).value;
    if (!from.has("at_least") && !from.has("at_most")) {
        from.defect(from.line(), "limits nothing: give at_least, at_most or both");
    }
    limit.at_least = from.optional_word("at_least", severity_named).value_or(Severity::none);
    limit.at_most = from.optional_word("at_most", severity_named).value_or(Severity::three_stars);
    return limit;
}

MailPolicy read_policy(Mapping& from) {
    MailPolicy policy;
    policy.line = from.line();
    policy.id = from.text("id");
    policy.source = from.text("source");
    from.mappings("mailed", "mail policy \"" + policy.id + "\", mailed", [&](Mapping& row) {
        if (!row.has("severities")) {
            row.defect(row.line(), "has no severities: list them");
        }
        const auto wanted = read_cells(row);
        for (const auto severity : row.words<Severity>("severities", severity_named)) {
            policy.mailed[static_cast<std::size_t>(severity)] |= wanted;
        }
    });
    return policy;
}

SeveralSignsRule read_several_signs(Mapping& from) {
    SeveralSignsRule rule;
    rule.line = from.line();
    rule.enabled = from.boolean("enabled");
    rule.window_minutes = from.number("window_minutes");
    rule.lateness_minutes = from.number("lateness_minutes");
    rule.at_least = from.number("at_least");
    rule.severity = from.word("severity", severity_named);
    rule.class_id = from.text("class");
    rule.note = from.text("note");
    return rule;
}

void read_defaults(Mapping& row, ByCell<DefaultClass>& defaults) {
    DefaultClass given;
    given.line = row.line();
    given.class_id = row.text("class");
    given.note = row.text("note");
    given.lists_names = row.boolean("lists_names", true);
    const auto wanted = read_cells(row);
    for (std::size_t cell = 0; cell < cell_count; ++cell) {
        if (!wanted[cell]) {
            continue;
        }
        if (defaults[cell].line != 0) {
            row.defect(row.line(), "gives " + cell_name(cell) + " again, after line " +
                                       std::to_string(defaults[cell].line) + ": keep one row for it");
        }
        defaults[cell] = given;
    }
}

// A date without a zone would mean another instant on another machine.
base::Time read_instant(Mapping& from, const std::string& key) {
    const auto text = from.text(key);
    const auto as_utc = base::parse_timestamp(text, std::chrono::minutes{0});
    if (!as_utc || as_utc != base::parse_timestamp(text, std::chrono::minutes{60})) {
        from.defect(from.line(key), key + " must be a time with its zone, such as 2020-04-01T00:00:00+09:00");
    }
    return as_utc.value_or(base::Time{});
}

RulePack read_pack(Mapping& root) {
    RulePack pack;
    root.mapping("pack", [&](Mapping& head) {
        pack.line = head.line();
        pack.version = head.text("version");
        pack.effective_from = read_instant(head, "effective_from");
        pack.note = head.text("note");
        pack.mail_policy_id = head.text("mail_policy");
    });
    root.mappings("mail_policies", "mail policy", [&](Mapping& m) { pack.mail_policies.push_back(read_policy(m)); });
    root.mappings("limits", "limit", [&](Mapping& m) { pack.limits.push_back(read_limit(m)); });
    root.mappings("defaults", "default", [&](Mapping& m) { read_defaults(m, pack.defaults); });
    root.mapping("several_signs", [&](Mapping& m) { pack.several_signs = read_several_signs(m); });
    root.mappings("classes", "class", [&](Mapping& m) { pack.classes.push_back(read_class(m)); });
    root.mappings("rules", "rule", [&](Mapping& m) { pack.rules.push_back(read_rule(m)); });
    if (root.has("categories")) {
        root.mappings("categories", "category", [&](Mapping& m) { pack.categories.push_back(read_category(m)); });
    }
    return pack;
}

// Takes what the parser says of a document and keeps nothing.
class NoEvents final : public YAML::EventHandler {
    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
    void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
    void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
    void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
    void OnMapEnd() override {}
};

// 0, 1, or 2 for more: of some malformed text yaml-cpp 0.7 finds documents without end.
int documents_in(std::string_view text) {
    std::istringstream stream{std::string{text}};
    YAML::Parser parser{stream};
    NoEvents handler;
    int many = 0;
    while (many < 2 && parser.HandleNextDocument(handler)) {
        ++many;
    }
    return many;
}

}  // namespace

tl::expected<RulePack, std::vector<PackDefect>> read_rule_pack(std::string_view text) {
    if (text.size() > largest_pack) {
        return tl::unexpected<Defects>{
            {{0, "the pack is larger than " + std::to_string(largest_pack) + " bytes: remove what is not needed"}}};
    }
    Defects defects;
    RulePack pack;
    try {
        if (const auto many = documents_in(text); many != 1) {
            return tl::unexpected<Defects>{
                {{0, std::string{"the file holds "} + (many == 0 ? "no YAML document" : "several YAML documents") +
                         ": a pack is exactly one"}}};
        }
        Mapping root{YAML::Load(std::string{text}), "the pack", defects};
        pack = read_pack(root);
        root.finish();
    } catch (const YAML::Exception& e) {
        return tl::unexpected<Defects>{{{e.mark.is_null() ? 0 : e.mark.line + 1, "this is not YAML: " + e.msg}}};
    }
    if (!defects.empty()) {
        std::stable_sort(defects.begin(), defects.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
        if (defects.size() > most_defects) {
            const auto more = defects.size() - most_defects;
            defects.resize(most_defects);
            defects.push_back({0, "and " + std::to_string(more) + " more: correct these first"});
        }
        return tl::unexpected<Defects>{std::move(defects)};
    }
    resolve(pack);
    return pack;
}

}  // namespace mimamori::adapters::pack_yaml
