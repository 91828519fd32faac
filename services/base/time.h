// Points in time and how people in Japan read them. Not a clock: reading one is platform/clock.h's business.
// Stored and sent as microseconds since 1970-01-01T00:00:00Z; Japan has no daylight saving time, so JST is UTC+9 for good.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mimamori::base {

using Micros = std::chrono::microseconds;
using Time = std::chrono::time_point<std::chrono::system_clock, Micros>;  // UTC

constexpr Time time_from_us(std::int64_t us) {
    return Time{Micros{us}};
}
constexpr std::int64_t to_us(Time time) {
    return time.time_since_epoch().count();
}

struct CivilTime {  // fields as on a calendar and a wall clock
    int year, month, day, hour, minute, second, microsecond;
};
CivilTime civil_utc(Time time);
CivilTime civil_jst(Time time);
// The opposite; fields are not checked for range.
Time from_civil_utc(const CivilTime& civil);

std::string format_jst(Time time);      // "2026-04-08 10:39:40"
std::string format_rfc3339(Time time);  // "2026-04-08T01:39:40.123456Z"

// Reads RFC 3339 and its common relatives: 'T' or blank, fraction of 1 to 9 digits or none, zone "Z", "+09:00",
// "+0900" or none. Without a zone, `assumed_offset` is taken. Empty where it is no time.
std::optional<Time> parse_timestamp(std::string_view text, std::chrono::minutes assumed_offset = std::chrono::minutes{0});

}  // namespace mimamori::base
