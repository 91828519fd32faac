#include "base/time.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace mimamori::base {
namespace {

constexpr std::chrono::minutes jst_offset{9 * 60};

CivilTime civil_at(Time time, std::chrono::minutes offset) {
    const auto local = time + offset;
    const auto day = std::chrono::floor<std::chrono::days>(local);
    const std::chrono::year_month_day date{day};
    const auto in_day = local - day;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(in_day).count();
    return {.year = static_cast<int>(date.year()),
            .month = static_cast<int>(static_cast<unsigned>(date.month())),
            .day = static_cast<int>(static_cast<unsigned>(date.day())),
            .hour = static_cast<int>(seconds / 3600),
            .minute = static_cast<int>(seconds / 60 % 60),
            .second = static_cast<int>(seconds % 60),
            .microsecond = static_cast<int>(in_day.count() % 1'000'000)};
}

// Reads exactly `digits` decimal digits off the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
    if (text.size() < digits) {
        return std::nullopt;
    }
    int value = 0;
    for (const char c : text.substr(0, digits)) {
        if (c < '0' || c > '9') {
            return std::nullopt;
        }
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(digits);
    return value;
}

bool take_char(std::string_view& text, std::string_view allowed) {
    if (text.empty() || allowed.find(text.front()) == std::string_view::npos) {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

// The fraction after a dot, in microseconds; more than six digits are cut off.
std::optional<int> take_fraction(std::string_view& text) {
    std::size_t digits = 0;
    int micros = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
        if (digits < 6) {
            micros = micros * 10 + (text[digits] - '0');
        }
        ++digits;
    }
    if (digits == 0 || digits > 9) {
        return std::nullopt;
    }
    text.remove_prefix(digits);
    for (std::size_t i = digits; i < 6; ++i) {
        micros *= 10;
    }
    return micros;
}

std::optional<std::chrono::minutes> take_zone(std::string_view text, std::chrono::minutes assumed) {
    if (text.empty()) {
        return assumed;
    }
    if (text == "Z" || text == "z" || text == " UTC" || text == "UTC") {
        return std::chrono::minutes{0};
    }
    const bool west = text.front() == '-';
    if (!take_char(text, "+-")) {
        return std::nullopt;
    }
    const auto hours = take_digits(text, 2);
    take_char(text, ":");
    const auto minutes = take_digits(text, 2);
    if (!hours || !minutes || !text.empty() || *hours > 14 || *minutes > 59) {
        return std::nullopt;
    }
    const std::chrono::minutes offset{*hours * 60 + *minutes};
    return west ? -offset : offset;
}

}  // namespace

CivilTime civil_utc(Time time) {
    return civil_at(time, std::chrono::minutes{0});
}

CivilTime civil_jst(Time time) {
    return civil_at(time, jst_offset);
}

Time from_civil_utc(const CivilTime& civil) {
    const std::chrono::sys_days day{std::chrono::year{civil.year} / civil.month / civil.day};
    return Time{day} + std::chrono::hours{civil.hour} + std::chrono::minutes{civil.minute} +
           std::chrono::seconds{civil.second} + Micros{civil.microsecond};
}

std::string format_jst(Time time) {
    const auto c = civil_jst(time);
    std::array<char, 48> out{};
    std::snprintf(out.data(), out.size(), "%04d-%02d-%02d %02d:%02d:%02d", c.year, c.month, c.day, c.hour, c.minute,
                  c.second);
    return out.data();
}

std::string format_rfc3339(Time time) {
    const auto c = civil_utc(time);
    std::array<char, 64> out{};
    std::snprintf(out.data(), out.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", c.year, c.month, c.day, c.hour,
                  c.minute, c.second, c.microsecond);
    return out.data();
}

std::optional<Time> parse_timestamp(std::string_view text, std::chrono::minutes assumed_offset) {
    const auto year = take_digits(text, 4);
    const bool dash = year && take_char(text, "-/");
    const auto month = dash ? take_digits(text, 2) : std::nullopt;
    const bool dash2 = month && take_char(text, "-/");
    const auto day = dash2 ? take_digits(text, 2) : std::nullopt;
    const bool gap = day && take_char(text, "Tt ");
    const auto hour = gap ? take_digits(text, 2) : std::nullopt;
    const bool colon = hour && take_char(text, ":");
    const auto minute = colon ? take_digits(text, 2) : std::nullopt;
    const bool colon2 = minute && take_char(text, ":");
    const auto second = colon2 ? take_digits(text, 2) : std::nullopt;
    if (!second) {
        return std::nullopt;
    }
    int micros = 0;
    if (take_char(text, ".,")) {
        const auto fraction = take_fraction(text);
        if (!fraction) {
            return std::nullopt;
        }
        micros = *fraction;
    }
    const auto zone = take_zone(text, assumed_offset);
    const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    // 60 is a leap second: read as the next minute's first second.
    if (!zone || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) {
        return std::nullopt;
    }
    return from_civil_utc({*year, *month, *day, *hour, *minute, *second, micros}) - *zone;
}

}  // namespace mimamori::base
