// When an hour of mails closes.
#include <catch2/catch.hpp>

#include "domain/mail_window.h"

using namespace mimamori;
using namespace std::chrono_literals;
using Why = domain::WindowDue::Why;

namespace {
base::Time at(std::string_view text) { return *base::parse_timestamp(text); }
}  // namespace

TEST_CASE("an hour closes when its end has come, once") {
    const auto closed = at("2026-04-08T10:00:00+09:00");
    CHECK(domain::window_due(closed, at("2026-04-08T10:59:59.999999+09:00"), 1h).why == Why::window_still_open);
    const auto due = domain::window_due(closed, at("2026-04-08T11:00:00+09:00"), 1h);
    REQUIRE(due.why == Why::due);
    CHECK(due.start == closed);
    CHECK(due.end == at("2026-04-08T11:00:00+09:00"));
    CHECK(domain::window_due(due.end, at("2026-04-08T11:00:00+09:00"), 1h).why == Why::window_still_open);
}

TEST_CASE("hours missed while the notifier was down close as one") {
    const auto due = domain::window_due(at("2026-04-08T10:00:00+09:00"), at("2026-04-08T13:20:00+09:00"), 1h);
    REQUIRE(due.why == Why::due);
    CHECK(due.end - due.start == 3h);
}

TEST_CASE("a clock that went backwards closes nothing") {
    CHECK(domain::window_due(at("2026-04-08T10:00:00+09:00"), at("2026-04-08T09:59:59+09:00"), 1h).why == Why::clock_went_backwards);
}

TEST_CASE("windows before 1970 end on whole hours too") {
    CHECK(domain::window_end_before(at("1969-12-31T23:30:00Z"), 1h) == at("1969-12-31T23:00:00Z"));
}
