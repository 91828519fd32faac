// Times as detectors write them and as people in Japan read them.
#include <catch2/catch.hpp>

#include "base/time.h"

using namespace mimamori::base;
using namespace std::chrono_literals;

TEST_CASE("every way a detector writes one moment is read as that moment") {
    const auto moment = time_from_us(1'775'612'380'125'000);
    struct Row {
        const char* sentence;
        const char* text;
    };
    const Row rows[] = {
        {"RFC 3339 in UTC", "2026-04-08T01:39:40.125Z"},
        {"with Japan's offset", "2026-04-08T10:39:40.125+09:00"},
        {"Suricata writes no colon", "2026-04-08T10:39:40.125000+0900"},
        {"a blank instead of T and the word UTC", "2026-04-08 01:39:40.125 UTC"},
        {"slashes", "2026/04/08 01:39:40.125Z"},
        {"nine digits are cut to six", "2026-04-08T01:39:40.125000999Z"},
        {"a comma before the fraction", "2026-04-08T01:39:40,125Z"},
        {"west of Greenwich", "2026-04-07T20:39:40.125-05:00"},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        CHECK(parse_timestamp(row.text) == moment);
    }
    CHECK(parse_timestamp("2026-04-08T10:39:40.125", 9h) == moment);  // no zone: the device's own
}

TEST_CASE("what is no time is not made into one") {
    for (const auto* text : {"", "2026", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-04-08T24:00:00Z", "2026-04-08T10:61:00Z",
                             "2026-04-08T10:39:40.Z", "2026-04-08T10:39:40.1234567890Z", "2026-04-08T10:39:40+15:00", "2026-04-08T10:39:40 +09:00x",
                             "next Tuesday", "2026-04-08T10:39:40ZZ"}) {
        INFO(text);
        CHECK_FALSE(parse_timestamp(text));
    }
}

TEST_CASE("a leap day and a leap second exist") {
    CHECK(parse_timestamp("2024-02-29T00:00:00Z").has_value());
    CHECK(parse_timestamp("2016-12-31T23:59:60Z") == parse_timestamp("2017-01-01T00:00:00Z"));
}

TEST_CASE("Japan is nine hours ahead, also across midnight and before 1970") {
    CHECK(format_jst(*parse_timestamp("2026-04-08T15:00:00Z")) == "2026-04-09 00:00:00");
    CHECK(format_jst(*parse_timestamp("1969-12-31T14:59:59Z")) == "1969-12-31 23:59:59");
    CHECK(format_rfc3339(time_from_us(-1)) == "1969-12-31T23:59:59.999999Z");
    CHECK(parse_timestamp(format_rfc3339(time_from_us(2'147'483'648'000'001))) == time_from_us(2'147'483'648'000'001));
}
