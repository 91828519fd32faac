// Reading a pack's file: everything is taken literally or refused, with the line.
#include "adapters/pack_yaml/pack_yaml.h"

#include <catch2/catch.hpp>
#include <string>

namespace mimamori::tests {
namespace {

using adapters::pack_yaml::read_rule_pack;
using domain::Direction;
using domain::Function;
using domain::Severity;

// 47 lines; rows below replace parts of it.
const std::string good = R"(pack:
  version: v1
  effective_from: 2020-04-01T00:00:00+09:00
  note: test
  mail_policy: any
mail_policies:
  - id: any
    source: test
    mailed:
      - {severities: [one_star, two_stars, three_stars]}
limits:
  - {id: av-inbound, source: test, functions: [av], directions: [inbound_attack], at_most: one_star}
defaults:
  - {functions: [ips, av], class: low, note: test}
  - {functions: [wg, uf, apg], class: low, lists_names: false, note: test}
several_signs:
  enabled: true
  window_minutes: 60
  lateness_minutes: 30
  at_least: 2
  severity: three_stars
  class: low
  note: test
classes:
  - id: low
    note: test
    action_needed: not_urgent
    sign: something
    severity:
      - {severity: one_star}
    ja:
      title: 題名
      summary: 概要です。
      explanation: 説明です。
      risk: リスクです。
      steps: [手順です。]
    en:
      title: Title
      summary: Summary.
      explanation: Explanation.
      risk: Risk.
      steps: [Step.]
      further_steps: [Then., And then.]
rules:
  - {id: a, source: test, name: 'Some: name', functions: [ips], directions: [unknown], class: low, severity: none}
  - {id: b, source: test, regex: '^JSIG', functions: [ips, av], class: low, case_sensitive: true, examples: [JSIG-X]}
)";

std::string replaced(const std::string& from, const std::string& to) {
    auto text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

std::string told(const std::string& text) {
    const auto pack = read_rule_pack(text);
    std::string out;
    if (!pack) {
        for (const auto& defect : pack.error()) {
            out += domain::to_text(defect) + "\n";
        }
    }
    return out;
}

TEST_CASE("what the file says is what the pack holds") {
    const auto pack = read_rule_pack(good);
    INFO(told(good));
    REQUIRE(pack);
    CHECK(pack->version == "v1");
    CHECK(base::format_rfc3339(pack->effective_from) == "2020-03-31T15:00:00.000000Z");
    CHECK(pack->mail_policy == 0);
    CHECK(pack->mail_policies[0].mailed[0].none());
    CHECK(pack->mail_policies[0].mailed[3] == domain::cells({}, {}));
    CHECK(pack->limits[0].at_most == Severity::one_star);
    CHECK(pack->limits[0].at_least == Severity::none);
    CHECK(pack->limits[0].cells.count() == 1);
    CHECK(pack->limits[0].cells[domain::cell_of(Function::av, Direction::inbound_attack)]);
    CHECK(pack->defaults[domain::cell_of(Function::av, Direction::unknown)].lists_names);
    CHECK_FALSE(pack->defaults[domain::cell_of(Function::wg, Direction::unknown)].lists_names);
    CHECK(pack->defaults[domain::cell_of(Function::apg, Direction::unknown)].class_index == 0);
    CHECK(pack->several_signs.enabled);
    CHECK(pack->several_signs.window_minutes == 60);
    CHECK(pack->several_signs.lateness_minutes == 30);
    CHECK(pack->several_signs.at_least == 2);
    CHECK(pack->several_signs.severity == Severity::three_stars);
    REQUIRE(pack->classes.size() == 1);
    const auto& c = pack->classes[0];
    CHECK(c.sign == "something");
    CHECK(c.action_needed == domain::ActionNeeded::not_urgent);
    CHECK(c.severity[domain::cell_of(Function::uf, Direction::unknown)] == Severity::one_star);
    CHECK(c.ja.title == "題名");
    CHECK(c.ja.steps == std::vector<std::string>{"手順です。"});
    CHECK(c.en.further_steps == std::vector<std::string>{"Then.", "And then."});
    REQUIRE(pack->rules.size() == 2);
    CHECK(pack->rules[0].pattern == "Some: name");
    CHECK_FALSE(pack->rules[0].is_regex);
    CHECK(pack->rules[0].caseless);
    CHECK(pack->rules[0].severity == Severity::none);
    CHECK(pack->rules[0].cells.count() == 1);
    CHECK(pack->rules[1].is_regex);
    CHECK_FALSE(pack->rules[1].caseless);
    CHECK_FALSE(pack->rules[1].severity);
    CHECK(pack->rules[1].cells.count() == 8);
    CHECK(pack->rules[1].examples[0].name == "JSIG-X");
}

TEST_CASE("lines are kept for the checks that come later") {
    const auto pack = read_rule_pack(good);
    REQUIRE(pack);
    CHECK(pack->line == 2);
    CHECK(pack->mail_policies[0].line == 7);
    CHECK(pack->limits[0].line == 12);
    CHECK(pack->defaults[domain::cell_of(Function::wg, Direction::unknown)].line == 15);
    CHECK(pack->several_signs.line == 17);
    CHECK(pack->classes[0].line == 25);
    CHECK(pack->classes[0].ja.line == 32);
    CHECK(pack->classes[0].en.line == 38);
    CHECK(pack->rules[0].line == 45);
    CHECK(pack->rules[1].line == 46);
    CHECK(pack->rules[1].examples[0].line == 46);
}

TEST_CASE("what is wrong in the file is told with its line") {
    struct Row {
        const char* sentence;
        std::string from, to;
        const char* told;
    };
    const Row rows[] = {
        {"an unknown key is refused", "  note: test\n  mail", "  nota: test\n  note: test\n  mail",
         "line 4: pack has an unknown key nota: correct or remove it"},
        {"in a rule too", "directions: [unknown]", "direction: [unknown]",
         "line 45: rule \"a\" has an unknown key direction"},
        {"at the top too", "rules:", "extra: 1\nrules:", "line 44: the pack has an unknown key extra"},
        {"a doubled key is refused", "    sign: something", "    sign: something\n    sign: other",
         "line 29: class \"low\" has sign twice"},
        {"a missing key is told", "  version: v1\n", "", "line 2: pack has no version: add it"},
        {"a missing part is told",
         "limits:\n  - {id: av-inbound, source: test, functions: [av], directions: [inbound_attack], at_most: "
         "one_star}\n",
         "", "line 1: the pack has no limits: add it"},
        {"a missing text is told", "      risk: Risk.\n", "", "line 38: class \"low\", en has no risk"},
        {"a missing language is told", "    ja:", "    jp:", "line 25: class \"low\" has no ja"},
        {"a blank value is told", "version: v1", "version: ''", "line 2: pack version is blank"},
        {"an empty value is told", "version: v1", "version:", "line 2: pack version must be one value"},
        {"an empty part is told",
         "    ja:\n      title: 題名\n      summary: 概要です。\n      explanation: 説明です。\n      risk: "
         "リスクです。\n      steps: [手順です。]\n",
         "    ja:\n", "line 31: class \"low\" ja is empty"},
        {"a time needs its zone", "2020-04-01T00:00:00+09:00", "2020-04-01T00:00:00",
         "line 3: pack effective_from must be a time with its zone"},
        {"a date is no time", "2020-04-01T00:00:00+09:00", "April", "line 3: pack effective_from must be a time"},
        {"a wrong word is told", "[ips], directions", "[ids], directions",
         "line 45: rule \"a\" functions cannot be \"ids\""},
        {"no detection is of unspecified function", "[ips], directions", "[unspecified], directions",
         "line 45: rule \"a\" functions cannot be \"unspecified\""},
        {"severities are words, not numbers", "class: low, severity: none", "class: low, severity: 3",
         "line 45: rule \"a\" severity cannot be \"3\""},
        {"a number is whole", "window_minutes: 60", "window_minutes: 1h",
         "line 18: several_signs window_minutes must be a whole number, not \"1h\""},
        {"a number fits", "window_minutes: 60", "window_minutes: 99999999999", "line 18: several_signs window_minutes"},
        {"true and false are the only flags", "enabled: true", "enabled: yes",
         "line 17: several_signs enabled is true or false, not \"yes\""},
        {"a list is a list", "[手順です。]", "手順です。", "line 36: class \"low\", ja steps must be a list"},
        {"an empty list means nothing", "functions: [ips], directions", "functions: [], directions",
         "line 45: rule \"a\" functions must be a list"},
        {"a list of mappings is one", "rules:\n  - {id: a", "rules:\n  - just text\n  - {id: a",
         "line 45: rule is not a mapping"},
        {"a rule has a name or a pattern", "name: 'Some: name', ", "", "line 45: rule \"a\" needs either name"},
        {"and not both", "regex: '^JSIG'", "regex: '^JSIG', name: x", "line 46: rule \"b\" needs either name"},
        {"a rule names its functions", "functions: [ips], directions: [unknown]", "directions: [unknown]",
         "line 45: rule \"a\" has no functions"},
        {"a limit limits", ", at_most: one_star", "", "line 12: limit \"av-inbound\" limits nothing"},
        {"a policy names severities", "{severities: [one_star, two_stars, three_stars]}", "{functions: [ips]}",
         "line 10: mail policy \"any\", mailed has no severities"},
        {"a cell has one severity", "      - {severity: one_star}\n",
         "      - {severity: one_star}\n      - {severity: none, functions: [wg], directions: [unknown]}\n",
         "line 31: class \"low\", severity gives wg unknown twice"},
        {"a cell has one default", "functions: [wg, uf, apg]", "functions: [av, wg, uf, apg]",
         "line 15: default gives av unknown again, after line 14"},
        {"YAML that is none is told where", "rules:\n", "rules: [\n", "this is not YAML"},
        {"a second document is refused", "rules:", "---\nrules:", "the file holds several YAML documents"},
        {"text is UTF-8", "      title: Title", "      title: \"\\xE9\xE9\"", "UTF-8"},
        {"an undefined alias is told", "steps: [Step.]", "steps: *nowhere", "line 42: this is not YAML"},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto all = told(replaced(row.from, row.to));
        INFO(all);
        CHECK(all.find(row.told) != std::string::npos);
    }
}

TEST_CASE("all that is wrong is told at once, in the order of the lines, up to a bound") {
    auto text = good;
    for (int i = 0; i < 300; ++i) {
        text += "  - {id: r" + std::to_string(i) + ", source: test, name: x, functions: [none], class: low}\n";
    }
    const auto pack = read_rule_pack(text);
    REQUIRE_FALSE(pack);
    REQUIRE(pack.error().size() == adapters::pack_yaml::most_defects + 1);
    CHECK(pack.error().front().line == 47);
    CHECK(pack.error().back().what == "and 100 more: correct these first");
}

TEST_CASE("hostile files end in an error, not in a crash or a full memory") {
    CHECK(told(std::string(adapters::pack_yaml::largest_pack + 1, '#')).find("larger than") != std::string::npos);
    CHECK(told("").find("no YAML document") != std::string::npos);
    CHECK(told("- a\n- b\n").find("line 1: the pack is not a mapping") != std::string::npos);
    CHECK(told("pack: " + std::string(100'000, '[')).find("this is not YAML") != std::string::npos);
    std::string aliases = "a0: &a0 [x, x]\n";
    for (int i = 1; i < 60; ++i) {
        const auto before = "*a" + std::to_string(i - 1);
        aliases += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " + before + "]\n";
    }
    CHECK(told(aliases).find("unknown key a59") != std::string::npos);
}

}  // namespace
}  // namespace mimamori::tests
