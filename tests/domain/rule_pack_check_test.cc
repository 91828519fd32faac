// Every way a pack can be wrong is told, with its line and what to do.
#include "domain/rule_pack_check.h"

#include <array>
#include <catch2/catch.hpp>
#include <functional>

#include "domain/plain_matcher.h"
#include "domain/small_pack.h"

namespace mimamori::tests {
namespace {

using domain::RulePack;

std::string all(const std::vector<domain::PackDefect>& defects) {
    std::string out;
    for (const auto& defect : defects) {
        out += domain::to_text(defect) + "\n";
    }
    return out;
}

struct Row {
    const char* sentence;
    std::function<void(RulePack&)> spoil;
    const char* told;  // the one line that is told, or its beginning
};

const Row rows[] = {
    {"a version is needed", [](auto& p) { p.version = ""; }, "line 1: version \"\""},
    {"a version is a plain word", [](auto& p) { p.version = "Version 1"; }, "line 1: version \"Version 1\""},
    {"an effective date has a sensible year", [](auto& p) { p.effective_from = base::Time{}; },
     "line 1: effective_from is not between 2019 and 2099"},
    {"nor does it lie in the far future",
     [](auto& p) {
         p.effective_from = base::from_civil_utc({2202, 4, 1, 0, 0, 0, 0});
     },
     "line 1: effective_from is not between 2019 and 2099"},
    {"the chosen mail policy exists", [](auto& p) { p.mail_policy_id = "table_9"; },
     "line 1: mail_policy \"table_9\" does not exist"},
    {"no policy mails what has no star", [](auto& p) { p.mail_policies[1].mailed[0].set(5); },
     "line 11: mail policy \"no_inbound_av\" mails detections without a star"},
    {"no policy keeps three stars silent", [](auto& p) { p.mail_policies[1].mailed[3].reset(4); },
     "line 11: mail policy \"no_inbound_av\" does not mail three_stars everywhere"},
    {"policies are told apart by id", [](auto& p) { p.mail_policies[1].id = "any_star"; },
     "line 11: mail policy id \"any_star\" is taken by line 10"},
    {"classes are told apart by id",
     [](auto& p) {
         p.classes[several_class].id = "quiet";
         p.several_signs.class_id = "low";
     },
     "line 140: class id \"quiet\" is taken by line 100"},
    {"rules are told apart by id", [](auto& p) { p.rules[tool_rule].id = "rat"; },
     "line 230: rule id \"rat\" is taken by line 200"},
    {"limits are told apart by id", [](auto& p) { p.limits[1].id = "ips-inbound"; },
     "line 21: limit id \"ips-inbound\" is taken by line 20"},
    {"an id is a plain word", [](auto& p) { p.rules[rat_rule].id = "the rat"; }, "line 200: rule id \"the rat\""},
    {"a limit is about a class that exists", [](auto& p) { p.limits[3].class_id = "nowhere"; },
     "line 23: limit \"one-class\" is for class \"nowhere\""},
    {"a limit allows something",
     [](auto& p) {
         p.limits[0].at_least = Severity::two_stars;
         p.limits[0].cells = {};
         p.limits[0].at_most = Severity::one_star;
     },
     "line 20: limit \"ips-inbound\" allows nothing"},
    {"no class exceeds inbound intrusion's limit",
     [](auto& p) {
         p.classes[quiet_class].severity[domain::cell_of(Function::ips, Direction::inbound_attack)] =
             Severity::one_star;
     },
     "line 100: class \"quiet\" has one_star in ips inbound_attack, limit \"ips-inbound\" allows at most none"},
    {"no rule exceeds inbound virus's limit, not even for a hack tool",
     [](auto& p) { p.rules[tool_rule].severity = Severity::two_stars; },
     "line 230: rule \"tool\" has two_stars in av inbound_attack, limit \"av-inbound\" allows at most one_star"},
    {"no class falls below outbound virus's limit",
     [](auto& p) {
         p.classes[infection_class].severity[domain::cell_of(Function::av, Direction::outbound_malicious)] =
             Severity::one_star;
     },
     "line 120: class \"infection\" has one_star in av outbound_malicious, limit \"av-outbound\" allows at least "
     "two_stars"},
    {"a limit of one class holds for rules too", [](auto& p) { p.rules[family_rule].severity = Severity::three_stars; },
     "line 210: rule \"family\" has three_stars in ips outbound_malicious, limit \"one-class\" allows at most "
     "two_stars"},
    {"a rule's class exists", [](auto& p) { p.rules[rat_rule].class_id = "nowhere"; },
     "line 200: rule \"rat\" has class \"nowhere\", which does not exist"},
    {"a rule's class has a severity where the rule applies",
     [](auto& p) { p.rules[rat_rule].cells.set(domain::cell_of(Function::ips, Direction::unknown)); },
     "line 200: rule \"rat\" applies to ips unknown, where class \"control\" has no severity"},
    {"a rule applies somewhere", [](auto& p) { p.rules[rat_rule].cells.reset(); },
     "line 200: rule \"rat\" applies nowhere"},
    {"a rule has a source", [](auto& p) { p.rules[rat_rule].source = " "; }, "line 200: rule \"rat\" has no source"},
    {"a rule has a pattern", [](auto& p) { p.rules[rat_rule].pattern = ""; },
     "line 200: rule \"rat\" has a pattern of 0 bytes"},
    {"a category has a source",
     [](auto& p) {
         p.categories = {
             {"x", " ", "Scan", domain::cells(std::array{Function::wg}, {}), "infection", domain::no_class, 50}};
     },
     "line 50: category \"x\" has no source"},
    {"a category's class exists",
     [](auto& p) {
         p.categories = {
             {"x", "test", "Scan", domain::cells(std::array{Function::wg}, {}), "none", domain::no_class, 50}};
     },
     "line 50: category \"x\" has class \"none\", which does not exist"},
    {"a category's class has a severity where it applies",
     [](auto& p) {
         p.categories = {
             {"x", "test", "Scan", domain::cells(std::array{Function::uf}, {}), "infection", domain::no_class, 50}};
     },
     "line 50: category \"x\" applies to uf unknown, where class \"infection\" has no severity"},
    {"a category is of signatures, not of sites",
     [](auto& p) {
         p.categories = {
             {"x", "test", "Scan", domain::cells(std::array{Function::wg}, {}), "infection", domain::no_class, 50}};
     },
     "line 50: category \"x\" applies to wg unknown, whose names are no signatures"},
    {"a category is decided once",
     [](auto& p) {
         const auto wg = domain::cells(std::array{Function::wg}, {});
         p.categories = {{"x", "test", "Scan", wg, "infection", domain::no_class, 50},
                         {"y", "test", "Scan", wg, "infection", domain::no_class, 51}};
     },
     "line 51: category \"y\" is taken by an earlier one of \"Scan\""},
    {"a category says something",
     [](auto& p) {
         p.categories = {
             {"x", "test", "", domain::cells(std::array{Function::wg}, {}), "infection", domain::no_class, 50}};
     },
     "line 50: category \"x\" applies nowhere"},
    {"categories have a bound", [](auto& p) { p.categories.resize(domain::most_categories + 1); },
     "line 1: more than 20000 rules"},
    {"a pattern has a bound", [](auto& p) { p.rules[rat_rule].pattern.assign(domain::longest_pattern + 1, 'x'); },
     "line 200: rule \"rat\" has a pattern of 1001 bytes"},
    {"an expression comes with an example", [](auto& p) { p.rules[family_rule].examples.clear(); },
     "line 210: rule \"family\" has no example"},
    {"every cell has a default", [](auto& p) { p.defaults[domain::cell_of(Function::wg, Direction::unknown)] = {}; },
     "line 1: defaults: wg unknown has no class"},
    {"a default's class exists",
     [](auto& p) { p.defaults[domain::cell_of(Function::wg, Direction::unknown)].class_id = "nowhere"; },
     "line 30: defaults: there is no class \"nowhere\""},
    {"a default's class has a severity there",
     [](auto& p) { p.defaults[domain::cell_of(Function::wg, Direction::unknown)].class_id = "control"; },
     "line 30: defaults: class \"control\" has no severity in wg unknown"},
    {"a Japanese text is there", [](auto& p) { p.classes[low_class].ja.risk = " "; },
     "line 111: class \"low\", risk in ja: is missing"},
    {"an English text is there", [](auto& p) { p.classes[low_class].en.title = ""; },
     "line 112: class \"low\", title in en: is missing"},
    {"Japanese is Japanese", [](auto& p) { p.classes[low_class].ja.title = "Title"; },
     "line 111: class \"low\", title in ja: is not Japanese"},
    {"English is English", [](auto& p) { p.classes[low_class].en.title = "題名"; },
     "line 112: class \"low\", title in en: holds characters outside ASCII"},
    {"circled digits are not in ISO-2022-JP", [](auto& p) { p.classes[low_class].ja.steps[0] = "①検査してください。"; },
     "line 111: class \"low\", steps 1 in ja: holds \"①\", which is not in ISO-2022-JP"},
    {"a text is one line", [](auto& p) { p.classes[low_class].en.summary = "One.\nTwo."; },
     "line 112: class \"low\", summary in en: holds a line break"},
    {"a text has a bound", [](auto& p) { p.classes[low_class].en.summary.assign(domain::longest_text + 1, 'x'); },
     "line 112: class \"low\", summary in en: is longer than 400 bytes"},
    {"texts carry no links", [](auto& p) { p.classes[low_class].en.risk = "See https://example.com."; },
     "line 112: class \"low\", risk in en: holds \"https:\""},
    {"a layman gets at most three steps",
     [](auto& p) {
         p.classes[low_class].ja.steps.assign(4, "手順です。");
         p.classes[low_class].en.steps.assign(4, "Step.");
     },
     "line 111: class \"low\", steps in ja: there are 4"},
    {"and at least one",
     [](auto& p) {
         p.classes[low_class].ja.steps.clear();
         p.classes[low_class].en.steps.clear();
     },
     "line 111: class \"low\", steps in ja: there are 0"},
    {"there are at most two further steps",
     [](auto& p) {
         p.classes[low_class].ja.further_steps.assign(3, "手順です。");
         p.classes[low_class].en.further_steps.assign(3, "Step.");
     },
     "line 111: class \"low\", further_steps in ja: there are more than two"},
    {"who needs to do nothing is told so in one sentence",
     [](auto& p) {
         p.classes[low_class].action_needed = domain::ActionNeeded::none;
         p.classes[low_class].ja.steps.assign(2, "手順です。");
         p.classes[low_class].en.steps.assign(2, "Step.");
     },
     "line 111: class \"low\", steps in ja: no action is needed, so there is exactly one"},
    {"both languages have the same steps", [](auto& p) { p.classes[low_class].en.further_steps = {"Step."}; },
     "line 112: class \"low\": ja and en do not have the same number of steps"},
    {"both languages say what was let through", [](auto& p) { p.classes[low_class].en.risk_let_through = "A risk."; },
     "line 110: class \"low\" has risk_let_through in one language only"},
    {"two stars call for action",
     [](auto& p) { p.classes[infection_class].action_needed = domain::ActionNeeded::none; },
     "line 120: class \"infection\" has two stars or more but says that no action is needed"},
    {"a rule of several signs wants several", [](auto& p) { p.several_signs.at_least = 1; },
     "line 40: several_signs: at_least is 1"},
    {"and no more than there are", [](auto& p) { p.several_signs.at_least = 3; },
     "line 40: several_signs: at_least is 3 but the classes name only 2 different signs"},
    {"its window has bounds", [](auto& p) { p.several_signs.window_minutes = 0; },
     "line 40: several_signs: window_minutes"},
    {"its lateness has bounds", [](auto& p) { p.several_signs.lateness_minutes = 10'081; },
     "line 40: several_signs: window_minutes"},
    {"its severity has stars", [](auto& p) { p.several_signs.severity = Severity::none; },
     "line 40: several_signs: severity is none"},
    {"its class exists", [](auto& p) { p.several_signs.class_id = "nowhere"; },
     "line 40: several_signs: there is no class \"nowhere\""},
    {"rules have a bound", [](auto& p) { p.rules.resize(domain::most_rules + 1); }, "line 1: more than 20000 rules"},
    {"classes have a bound", [](auto& p) { p.classes.resize(domain::most_classes + 1); },
     "line 1: more than 20000 rules"},
};

TEST_CASE("a pack without defects passes") {
    const auto pack = small_pack();
    CHECK(all(domain::check_rule_pack(pack)) == "");
    PlainMatcher matcher{pack};
    CHECK(all(domain::check_rule_reach(pack, matcher)) == "");
}

TEST_CASE("every defect of a pack is told with its line") {
    for (const auto& row : rows) {
        INFO(row.sentence);
        auto pack = small_pack();
        row.spoil(pack);
        domain::resolve(pack);
        const auto told = all(domain::check_rule_pack(pack));
        INFO(told);
        CHECK(told.find(row.told) != std::string::npos);
    }
}

TEST_CASE("all defects are told at once, in the order of the lines") {
    auto pack = small_pack();
    pack.rules[tool_rule].source = "";
    pack.classes[low_class].ja.title = "";
    pack.version = "";
    const auto defects = domain::check_rule_pack(pack);
    REQUIRE(defects.size() == 3);
    CHECK(defects[0].line == 1);
    CHECK(defects[1].line == 111);
    CHECK(defects[2].line == 230);
}

TEST_CASE("a switched-off rule of several signs needs nothing") {
    auto pack = small_pack();
    pack.several_signs = {};
    domain::resolve(pack);
    CHECK(all(domain::check_rule_pack(pack)) == "");
}

TEST_CASE("rules that cannot decide what they should are told") {
    const Row reach_rows[] = {
        {"a name that an earlier family takes is unreachable",
         [](auto& p) { std::swap(p.rules[rat_rule], p.rules[family_rule]); },
         "line 200: rule \"rat\" never decides its name \"Some RAT activity\": earlier rules take it (\"family\")"},
        {"an example that the expression does not match is an error",
         [](auto& p) { p.rules[family_rule].examples[0].name = "Any trojan"; },
         "line 211: rule \"family\" never decides its example \"Any trojan\": its pattern does not match it"},
        {"an example that an earlier rule takes is an error",
         [](auto& p) { p.rules[family_rule].examples[0].name = "some rat activity"; },
         "line 211: rule \"family\" never decides its example \"some rat activity\": earlier rules take it (\"rat\")"},
        {"two earlier rules can take all of it together",
         [](auto& p) {
             auto& tool = p.rules[tool_rule];
             tool = p.rules[family_rule];
             tool.cells.set(domain::cell_of(Function::ips, Direction::internal_weakness));
             tool.class_id = "low";
             p.rules[password_rule] = p.rules[family_rule];
             p.rules[password_rule].cells =
                 domain::CellSet{}.set(domain::cell_of(Function::ips, Direction::internal_weakness));
             tool.line = 230;
             tool.examples[0].line = 231;
         },
         "line 231: rule \"family\" never decides its example \"Some trojan\": earlier rules take it (\"family\", "
         "\"family\")"},
        {"an expression for everything hides the defaults", [](auto& p) { p.rules[tool_rule].pattern = "."; },
         "line 230: rule \"tool\" matches any name"},
    };
    for (const auto& row : reach_rows) {
        INFO(row.sentence);
        auto pack = small_pack();
        row.spoil(pack);
        domain::resolve(pack);
        PlainMatcher matcher{pack};
        const auto told = all(domain::check_rule_reach(pack, matcher));
        INFO(told);
        CHECK(told.find(row.told) != std::string::npos);
    }
}

TEST_CASE("a rule that an earlier one takes only in part still has something to decide") {
    auto pack = small_pack();
    auto& wide = pack.rules[family_rule];
    wide.cells.set(domain::cell_of(Function::ips, Direction::internal_weakness));
    wide.examples[0].name = "Some RAT activity";  // taken by "rat" going out, free inside
    PlainMatcher matcher{pack};
    CHECK(all(domain::check_rule_reach(pack, matcher)) == "");
}

}  // namespace
}  // namespace mimamori::tests
