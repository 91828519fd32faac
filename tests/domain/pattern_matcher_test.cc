#include "domain/pattern_matcher.h"

#include <catch2/catch.hpp>

#include "domain/plain_matcher.h"
#include "domain/small_pack.h"

namespace mimamori::tests {
namespace {

std::vector<domain::RuleIndex> copy(std::span<const domain::RuleIndex> found) {
    return {found.begin(), found.end()};
}

TEST_CASE("a remembered name is not matched again, and the answer is the same") {
    const auto pack = small_pack();
    PlainMatcher plain{pack};
    domain::RememberingMatcher remembering{plain};
    const std::vector<domain::RuleIndex> both{rat_rule, family_rule};
    CHECK(copy(remembering.match("Some RAT activity")) == both);
    CHECK(copy(remembering.match("Never seen")).empty());
    CHECK(plain.calls == 2);
    CHECK(copy(remembering.match("Some RAT activity")) == both);
    CHECK(copy(remembering.match("Never seen")).empty());
    CHECK(plain.calls == 2);
}

TEST_CASE("the memory is bounded: a full one is emptied, long names are never kept") {
    const auto pack = small_pack();
    PlainMatcher plain{pack};
    domain::RememberingMatcher remembering{plain, 3};
    for (int i = 0; i < 10; ++i) {
        CHECK(copy(remembering.match("Some " + std::to_string(i))) == std::vector<domain::RuleIndex>{family_rule});
        CHECK(remembering.remembered() <= 3);
    }
    CHECK(plain.calls == 10);
    CHECK(remembering.remembered() == 1);  // emptied at the 4th, 7th and 10th name

    const auto kept = remembering.remembered();
    const std::string longest(domain::RememberingMatcher::longest_name, 'x');
    remembering.match(longest + "x");
    CHECK(remembering.remembered() == kept);
    remembering.match(longest);
    CHECK(remembering.remembered() == kept + 1);
    CHECK(copy(remembering.match("Some " + longest)) == std::vector<domain::RuleIndex>{family_rule});
    CHECK(remembering.remembered() == kept + 1);
}

}  // namespace
}  // namespace mimamori::tests
