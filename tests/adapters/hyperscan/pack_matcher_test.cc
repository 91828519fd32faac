// The production engine against the plainest one, its errors, and its threads.
#include "adapters/hyperscan/pack_matcher.h"

#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "domain/plain_matcher.h"
#include "domain/small_pack.h"

namespace mimamori::tests {
namespace {

using adapters::hyperscan::CompiledPatterns;
using adapters::hyperscan::PackMatcher;

std::vector<domain::RuleIndex> copy(std::span<const domain::RuleIndex> found) {
    return {found.begin(), found.end()};
}

std::unique_ptr<PackMatcher> matcher_of(const domain::RulePack& pack) {
    auto patterns = CompiledPatterns::compile(pack);
    REQUIRE(patterns);
    auto matcher = PackMatcher::create(*patterns);
    REQUIRE(matcher);
    return std::move(*matcher);
}

domain::RulePack pack_of(const std::vector<std::tuple<const char*, bool, bool>>& patterns) {
    domain::RulePack pack;
    for (const auto& [pattern, is_regex, caseless] : patterns) {
        const auto number = static_cast<int>(pack.rules.size());
        pack.rules.push_back(
            small_rule("r" + std::to_string(number), pattern, is_regex, {Function::ips}, {}, "c", number + 1));
        pack.rules.back().caseless = caseless;
    }
    return pack;
}

// Whole names and expressions, with and without regard to case, overlapping on purpose.
domain::RulePack overlapping() {
    return pack_of({{"trojan", false, true},
                    {"Trojan", false, false},
                    {"^trojan", true, true},
                    {"Trojan", true, false},
                    {"^(ET|GPL) (SCAN|DOS) ", true, true},
                    {"\\bscan\\b", true, true},
                    {"(a|b)+\\.exe$", true, true},
                    {"[0-9]+-[0-9]+", true, true},
                    {"ET SCAN x", false, true},
                    {"trojan$", true, true}});
}

TEST_CASE("names and expressions are found as they are written") {
    const auto pack = overlapping();
    const auto matcher = matcher_of(pack);
    struct Row {
        const char* sentence;
        const char* name;
        std::vector<domain::RuleIndex> rules;
    };
    const Row rows[] = {
        {"a whole name matches in either case unless it says otherwise", "TROJAN", {0, 2, 9}},
        {"and exactly where it does", "Trojan", {0, 1, 2, 3, 9}},
        {"a whole name is not a part of one", "Trojan X", {2, 3}},
        {"an expression is found anywhere", "x Trojan", {3, 9}},
        {"an expression that matches often counts once", "1-1 2-2 3-3", {7}},
        {"smallest index first, whole names among expressions", "et scan X", {4, 5, 8}},
        {"nothing matches nothing", "", {}},
        {"and most names match nothing", "harmless", {}},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        CHECK(copy(matcher->match(row.name)) == row.rules);
    }
}

TEST_CASE("it agrees with the plain engine on whatever is thrown at it") {
    const auto pack = overlapping();
    const auto matcher = matcher_of(pack);
    PlainMatcher plain{pack};
    const std::vector<std::string> pieces{"Trojan", "trojan", "ET ", "GPL ", "SCAN ", "scan", "DOS ", "x",    "a",
                                          "b",      ".exe",   "12",  "-",    " ",     ".",    "é",    "\xFF", "X"};
    std::mt19937 random{20200401};
    int matched = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string name;
        for (auto n = random() % 6; n > 0; --n) {
            name += pieces[random() % pieces.size()];
        }
        const auto expected = copy(plain.match(name));
        if (copy(matcher->match(name)) != expected) {
            INFO(name);
            CHECK(copy(matcher->match(name)) == expected);
        }
        matched += expected.empty() ? 0 : 1;
    }
    CHECK(matched > 5'000);
}

TEST_CASE("every expression that is refused is told with its line") {
    const auto compiled = CompiledPatterns::compile(pack_of({{"fine", true, true},
                                                             {"(open", true, true},
                                                             {"(?=ahead)", true, true},
                                                             {"(a)\\1", true, true},
                                                             {"x*", true, true},
                                                             {"(not an expression", false, true}}));
    REQUIRE_FALSE(compiled);
    const auto& defects = compiled.error();
    REQUIRE(defects.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        INFO(defects[i].what);
        CHECK(defects[i].line == static_cast<int>(i) + 2);
        CHECK(defects[i].what.find("\"r" + std::to_string(i + 1) + "\": the pattern is refused: ") !=
              std::string::npos);
    }
}

TEST_CASE("a pack without expressions, or without rules, matches what it has") {
    CHECK(copy(matcher_of(pack_of({{"a", false, true}}))->match("A")) == std::vector<domain::RuleIndex>{0});
    CHECK(copy(matcher_of(pack_of({}))->match("a")).empty());
}

TEST_CASE("names may hold any byte and any length") {
    const auto matcher = matcher_of(overlapping());
    CHECK(copy(matcher->match(std::string_view{"\0trojan", 7})) == std::vector<domain::RuleIndex>{9});
    CHECK(copy(matcher->match("line\nTrojan")) == std::vector<domain::RuleIndex>{3, 9});
    const std::string long_name = std::string(1'000'000, 'x') + "Trojan";
    CHECK(copy(matcher->match(long_name)) == std::vector<domain::RuleIndex>{3, 9});
}

TEST_CASE("threads share the patterns, each with its own matcher") {
    const auto pack = overlapping();
    auto patterns = CompiledPatterns::compile(pack);
    REQUIRE(patterns);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            auto matcher = PackMatcher::create(*patterns);
            for (int i = 0; matcher && i < 5'000; ++i) {
                const bool hit = (i + t) % 2 == 0;
                const auto found = copy((*matcher)->match(hit ? "Trojan" : "harmless"));
                wrong += found.size() == (hit ? 5U : 0U) ? 0 : 1;
            }
            wrong += matcher ? 0 : 1;
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}

}  // namespace
}  // namespace mimamori::tests
