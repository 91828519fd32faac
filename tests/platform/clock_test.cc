// The steered clock: one file, seen at once by everybody who mapped it.
#include <catch2/catch.hpp>

#include <chrono>

#include "platform/clock.h"
#include "support/test_certificates.h"

using namespace mimamori;
using namespace std::chrono_literals;

namespace {

base::Time real_now() {
    return std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
}

}  // namespace

TEST_CASE("without a file the clock is the system's") {
    const auto before = real_now();
    const auto now = platform::Clock{}.now();
    CHECK(before <= now);
    CHECK(now <= real_now());
}

TEST_CASE("who writes the offset moves every clock that maps the file, at once and both ways") {
    const test::TemporaryFolder folder;
    const auto file = (folder.path() / "clock").string();
    REQUIRE(platform::steer_clock(file, 0));
    const auto first = platform::Clock::steered_by(file);
    const auto second = platform::Clock::steered_by(file);
    REQUIRE(first);
    REQUIRE(second);
    for (const auto& clock : {&*first, &*second}) {
        CHECK(clock->now() - real_now() < 1s);
    }
    REQUIRE(platform::steer_clock(file, std::chrono::microseconds{2h}.count()));
    for (const auto& clock : {&*first, &*second}) {
        CHECK(clock->now() - real_now() > 2h - 1min);
    }
    REQUIRE(platform::steer_clock(file, -std::chrono::microseconds{24h}.count()));
    CHECK(first->now() < real_now() - 23h);
}

TEST_CASE("a clock file of another size is refused, and says what belongs into it") {
    const test::TemporaryFolder folder;
    const auto clock = platform::Clock::steered_by(folder.write("clock", "12"));
    REQUIRE_FALSE(clock);
    CHECK(clock.error().what.find("8 bytes") != std::string::npos);
    CHECK_FALSE(platform::Clock::steered_by((folder.path() / "none").string()));
}
