// What the SOC lead expects of a verdict, on a small pack.
#include "domain/severity.h"

#include <array>
#include <catch2/catch.hpp>

#include "domain/plain_matcher.h"
#include "domain/small_pack.h"

namespace mimamori::tests {
namespace {

using domain::Action;
using domain::DetectionView;
using domain::Reason;

DetectionView seen(Function function, std::string_view name) {
    DetectionView detection;
    detection.function = function;
    detection.action = Action::blocked;
    switch (function) {
        case Function::av:
            detection.virus_name = name;
            break;
        case Function::wg:
            detection.url = name;
            break;
        case Function::uf:
            detection.category = name;
            break;
        case Function::apg:
            detection.application = name;
            break;
        default:
            detection.threat_name = name;
    }
    return detection;
}

struct Row {
    const char* sentence;
    Function function;
    Direction direction;
    const char* name;
    Severity severity;
    const char* class_id;
    const char* rule_id;
    Reason reason;
    bool known;
};

const Row rows[] = {
    {"known remote control going out has three stars", Function::ips, Direction::outbound_malicious,
     "Some RAT activity", Severity::three_stars, "control", "rat", Reason::rule, true},
    {"names compare without regard to case", Function::ips, Direction::outbound_malicious, "SOME rat ACTIVITY",
     Severity::three_stars, "control", "rat", Reason::rule, true},
    {"the first matching rule decides, a family comes after its member", Function::ips, Direction::outbound_malicious,
     "Some trojan", Severity::two_stars, "infection", "family", Reason::rule, true},
    {"the same name coming in is background noise, and not unknown", Function::ips, Direction::inbound_attack,
     "Some RAT activity", Severity::none, "quiet", "default.ips.inbound_attack", Reason::default_known, true},
    {"direction decides: a password name going out gets the outbound default", Function::ips,
     Direction::outbound_malicious, "Default password login attempt", Severity::one_star, "low",
     "default.ips.outbound_malicious", Reason::default_known, true},
    {"a password name inside is a weakness of one star", Function::ips, Direction::internal_weakness,
     "Default password login attempt", Severity::one_star, "low", "password", Reason::rule, true},
    {"an unknown signature going out gets the default and is listed", Function::ips, Direction::outbound_malicious,
     "Never seen", Severity::one_star, "low", "default.ips.outbound_malicious", Reason::default_unknown, false},
    {"an unknown signature coming in stays in the log and is listed", Function::ips, Direction::inbound_attack,
     "Never seen", Severity::none, "quiet", "default.ips.inbound_attack", Reason::default_unknown, false},
    {"a signature of unknown direction gets the pack's default", Function::ips, Direction::unknown, "Some RAT activity",
     Severity::one_star, "low", "default.ips.unknown", Reason::default_known, true},
    {"a rule of IPS says nothing about a virus of the same name", Function::av, Direction::outbound_malicious,
     "Some RAT activity", Severity::two_stars, "infection", "default.av.outbound_malicious", Reason::default_unknown,
     false},
    {"a hack tool coming in stays at one star", Function::av, Direction::inbound_attack, "Hacktool.MSOffice.Generic.3",
     Severity::one_star, "low", "tool", Reason::rule, true},
    {"a dangerous site has two stars; sites have no end and are not listed", Function::wg,
     Direction::outbound_malicious, "bad.example/x", Severity::two_stars, "infection", "default.wg.outbound_malicious",
     Reason::default_unknown, true},
    {"an off-business site is only logged", Function::uf, Direction::outbound_malicious, "games", Severity::none,
     "quiet", "default.uf.outbound_malicious", Reason::default_unknown, false},
    {"an application is only logged", Function::apg, Direction::outbound_malicious, "chat", Severity::none, "quiet",
     "default.apg.outbound_malicious", Reason::default_unknown, false},
    {"a detection without a name gets the default", Function::ips, Direction::internal_weakness, "", Severity::one_star,
     "low", "default.ips.internal_weakness", Reason::default_unknown, false},
};

TEST_CASE("a verdict comes from function, direction and signature") {
    const auto pack = small_pack();
    PlainMatcher matcher{pack};
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto verdict = domain::judge(pack, seen(row.function, row.name), row.direction, matcher.match(row.name));
        CHECK(verdict.severity == row.severity);
        CHECK(verdict.class_id == row.class_id);
        CHECK(pack.classes[verdict.class_index].id == row.class_id);
        CHECK(verdict.rule_id == row.rule_id);
        CHECK(verdict.reason == row.reason);
        CHECK(verdict.known == row.known);
        CHECK(verdict.mailable == (row.severity != Severity::none));
    }
}

TEST_CASE("where no rule decides, the detector's own category says what kind it is") {
    auto pack = small_pack();
    const auto outbound = domain::cells(std::array{Function::ips}, std::array{Direction::outbound_malicious});
    pack.categories = {{"z", "test", "Trojan", outbound, "infection", domain::no_class, 1},
                       {"a", "test", "Scan", outbound, "low", domain::no_class, 2}};
    domain::resolve(pack);
    const auto judged = [&](const char* name, const char* category, Direction direction) {
        PlainMatcher matcher{pack};
        auto detection = seen(Function::ips, name);
        detection.category = category;
        return domain::judge(pack, detection, direction, matcher.match(name));
    };
    const auto verdict = judged("Never seen", "Trojan", Direction::outbound_malicious);
    CHECK(verdict.severity == Severity::two_stars);
    CHECK(verdict.class_id == "infection");
    CHECK(verdict.rule_id == "z");
    CHECK(verdict.reason == Reason::category);
    CHECK_FALSE(verdict.known);  // somebody should still look at the signature
    CHECK(judged("Never seen", "Scan", Direction::outbound_malicious).rule_id == "a");
    CHECK(judged("Some RAT activity", "Scan", Direction::outbound_malicious).rule_id == "rat");
    CHECK(judged("Never seen", "Trojan", Direction::inbound_attack).severity == Severity::none);
    CHECK(judged("Never seen", "trojan", Direction::outbound_malicious).reason == Reason::default_unknown);
    CHECK(judged("Never seen", "", Direction::outbound_malicious).reason == Reason::default_unknown);
}

TEST_CASE("what the appliance did decides nothing, everything it sees is blocked") {
    const auto pack = small_pack();
    PlainMatcher matcher{pack};
    auto detection = seen(Function::ips, "Some trojan");
    for (const auto action : {Action::unspecified, Action::blocked, Action::rewritten, Action::logged}) {
        detection.action = action;
        CHECK(domain::judge(pack, detection, Direction::outbound_malicious, matcher.match("Some trojan")).severity ==
              Severity::two_stars);
    }
}

TEST_CASE("the vendor's priority is no severity") {
    const auto pack = small_pack();
    auto detection = seen(Function::ips, "Never seen");
    for (const int priority : {0, 1, 4}) {
        detection.vendor_priority = priority;
        CHECK(domain::judge(pack, detection, Direction::inbound_attack, {}).severity == Severity::none);
    }
}

TEST_CASE("a rule may give its own severity instead of the class's") {
    auto pack = small_pack();
    pack.rules[family_rule].severity = Severity::none;
    PlainMatcher matcher{pack};
    const auto verdict = domain::judge(pack, seen(Function::ips, "Some trojan"), Direction::outbound_malicious,
                                       matcher.match("Some trojan"));
    CHECK(verdict.severity == Severity::none);
    CHECK(verdict.class_id == "infection");
    CHECK_FALSE(verdict.mailable);
}

TEST_CASE("whether it is mailed is a decision of its own") {
    auto pack = small_pack();
    const auto mailed = [&](Severity s, Function f, Direction d) { return domain::is_mailed(pack, s, f, d); };
    CHECK(mailed(Severity::one_star, Function::av, Direction::inbound_attack));
    pack.mail_policy_id = "no_inbound_av";
    domain::resolve(pack);
    CHECK_FALSE(mailed(Severity::one_star, Function::av, Direction::inbound_attack));
    CHECK(mailed(Severity::one_star, Function::ips, Direction::internal_weakness));
    CHECK(mailed(Severity::two_stars, Function::av, Direction::outbound_malicious));

    const auto verdict = domain::judge(pack, seen(Function::av, "Hacktool.X"), Direction::inbound_attack,
                                       std::vector<domain::RuleIndex>{tool_rule});
    CHECK(verdict.severity == Severity::one_star);
    CHECK_FALSE(verdict.mailable);

    pack.mail_policies[pack.mail_policy].mailed[0].set();
    CHECK_FALSE(mailed(Severity::none, Function::ips, Direction::inbound_attack));
}

TEST_CASE("several signs give the severity of their rule, whatever the last detection was") {
    const auto pack = small_pack();
    const auto verdict =
        domain::judge_several_signs(pack, seen(Function::wg, "bad.example"), Direction::outbound_malicious);
    CHECK(verdict.severity == Severity::three_stars);
    CHECK(verdict.class_id == "several");
    CHECK(verdict.rule_id == "several_signs");
    CHECK(verdict.reason == Reason::several_signs);
    CHECK(verdict.mailable);
}

}  // namespace
}  // namespace mimamori::tests
