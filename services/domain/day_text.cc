#include "domain/day_text.h"

#include <array>
#include <chrono>

namespace mimamori::domain {
namespace {

constexpr std::array<const char*, 12> month_names{"January",   "February", "March",    "April",
                                                  "May",       "June",     "July",     "August",
                                                  "September", "October",  "November", "December"};

constexpr std::array<const char*, 7> weekdays_ja{"日", "月", "火", "水", "木", "金", "土"};
constexpr std::array<const char*, 7> weekdays_en{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

std::string two_digits(int value) {
    return (value < 10 ? "0" : "") + std::to_string(value);
}

std::string day_text(const base::CivilTime& at, Language language) {
    const std::chrono::sys_days day = std::chrono::year{at.year} / at.month / at.day;
    const auto weekday = std::chrono::weekday{day}.c_encoding();
    const auto number = std::to_string(at.day);
    if (language == Language::en) {
        return std::string{weekdays_en[weekday]} + " " + number + " " + month_name(at.month) + " " +
               std::to_string(at.year);
    }
    return std::to_string(at.year) + "年" + std::to_string(at.month) + "月" + number + "日（" + weekdays_ja[weekday] +
           "）";
}

std::string clock_text(const base::CivilTime& at) {
    return two_digits(at.hour) + ":" + two_digits(at.minute);
}

}  // namespace

std::string minute_text(base::Time at, Language language) {
    const auto civil = base::civil_jst(at);
    return day_text(civil, language) + (language == Language::en ? ", " : "") + clock_text(civil);
}

std::string time_text(base::Time at, Language language) {
    return minute_text(at, language) + ":" + two_digits(base::civil_jst(at).second);
}

SpanText span_text(base::Time from, base::Time until, Language language) {
    const auto end = base::civil_jst(until);
    const bool same_day = day_text(base::civil_jst(from), language) == day_text(end, language);
    return {minute_text(from, language), same_day ? clock_text(end) : minute_text(until, language)};
}

std::string month_name(int month) {
    return month_names[static_cast<std::size_t>(month - 1)];
}

std::string window_text(base::Time start, base::Time end, Language language) {
    const auto from = base::civil_jst(start);
    const auto until = base::civil_jst(end);
    const bool whole_hour = end - start == std::chrono::hours{1} && from.minute == 0 && from.second == 0;
    if (language == Language::en) {
        const auto& at = whole_hour ? from : until;
        const auto day = std::to_string(at.day) + " " + month_name(at.month);
        const auto clock = clock_text(at);
        return whole_hour ? day + ", " + clock + " to " + two_digits((at.hour + 1) % 24) + ":00"
                          : day + ", until " + clock;
    }
    const auto& at = whole_hour ? from : until;
    const auto day = std::to_string(at.month) + "月" + std::to_string(at.day) + "日" + std::to_string(at.hour) + "時";
    return whole_hour ? day + "台" : day + two_digits(at.minute) + "分まで";
}

}  // namespace mimamori::domain
