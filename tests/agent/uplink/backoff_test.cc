// How long the uplink waits.
#include <catch2/catch.hpp>
#include <limits>
#include <random>

#include "appliance-agent/uplink/backoff.h"

using namespace mimamori::agent::uplink;
using std::chrono::milliseconds;

TEST_CASE("the bound doubles with each failure up to the longest, and begins anew after something worked") {
    Backoff backoff{{milliseconds{100}, milliseconds{1000}, milliseconds{5000}}};
    const auto bound = [&](std::uint64_t most) { return backoff.after_failure(most).count(); };
    REQUIRE(bound(100) == 100);
    REQUIRE(bound(200) == 200);
    REQUIRE(bound(400) == 400);
    REQUIRE(bound(800) == 800);
    REQUIRE(bound(1000) == 1000);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(bound(1000) == 1000);
    }
    backoff.worked();
    REQUIRE(bound(100) == 100);
    REQUIRE(backoff.after_refusal(5000).count() == 5000);
}

TEST_CASE("waits are spread over the whole range from nothing to the bound") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    int low = 0;
    int high = 0;
    for (int i = 0; i < 2000; ++i) {
        Backoff backoff{{milliseconds{1000}, milliseconds{1000}, milliseconds{1000}}};
        const auto wait = backoff.after_failure(random()).count();
        REQUIRE(wait >= 0);
        REQUIRE(wait <= 1000);
        low += wait < 250;
        high += wait > 750;
    }
    REQUIRE(low > 350);
    REQUIRE(high > 350);
}
