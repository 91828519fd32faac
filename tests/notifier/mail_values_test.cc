// Small texts of a mail: money, hours, names that must not become links.
#include <catch2/catch.hpp>

#include "domain/day_text.h"
#include "domain/mail_text.h"

using namespace mimamori;
using domain::Language;

TEST_CASE("money reads as people in Japan write it") {
    CHECK(domain::yen_text(150'000, Language::ja) == "15万円");
    CHECK(domain::yen_text(50'000, Language::ja) == "5万円");
    CHECK(domain::yen_text(16'500, Language::ja) == "16,500円");
    CHECK(domain::yen_text(800, Language::ja) == "800円");
    CHECK(domain::yen_text(1'150'000, Language::en) == "1,150,000 yen");
}

TEST_CASE("a mail names the hour it speaks of in Japanese time") {
    const auto start = *base::parse_timestamp("2026-04-08T10:00:00+09:00");
    CHECK(domain::window_text(start, start + std::chrono::hours{1}, Language::ja) == "4月8日10時台");
    CHECK(domain::window_text(start, start + std::chrono::hours{1}, Language::en) == "8 April, 10:00 to 11:00");
    CHECK(domain::window_text(start, start + std::chrono::minutes{39}, Language::ja) == "4月8日10時39分まで");
    CHECK(domain::window_text(start, start + std::chrono::hours{3}, Language::ja) == "4月8日13時00分まで");
    CHECK(domain::window_text(start - std::chrono::hours{11}, start - std::chrono::hours{10}, Language::en) ==
          "7 April, 23:00 to 00:00");
}

TEST_CASE("days come with their weekday, in Japanese time, and a span says the day once") {
    const auto at = [](const char* text) { return *base::parse_timestamp(text); };
    const auto late = at("2026-04-08T23:59:59+09:00");
    CHECK(domain::time_text(at("2026-04-08T10:39:40+09:00"), Language::ja) == "2026年4月8日（水）10:39:40");
    CHECK(domain::time_text(at("2026-04-04T15:00:00Z"), Language::ja) == "2026年4月5日（日）00:00:00");
    CHECK(domain::time_text(at("1970-01-01T00:00:00Z"), Language::en) == "Thu 1 January 1970, 09:00:00");
    CHECK(domain::minute_text(late, Language::en) == "Wed 8 April 2026, 23:59");
    const auto within = domain::span_text(at("2026-04-08T09:12:05+09:00"), late, Language::ja);
    CHECK(within.from == "2026年4月8日（水）09:12");
    CHECK(within.until == "23:59");
    const auto over = domain::span_text(late, late + std::chrono::seconds{1}, Language::ja);
    CHECK(over.until == "2026年4月9日（木）00:00");
}

TEST_CASE("of a dangerous site only the host is told, and it is no link") {
    CHECK(domain::shown_host("http://infopicked.com/aS") == "infopicked[.]com");
    CHECK(domain::shown_host("eu.dspultra.com") == "eu[.]dspultra[.]com");
    CHECK(domain::shown_host("https://bank.example@evil.example:8080/call-0120-000-000") == "evil[.]example");
    CHECK(domain::shown_host("evil.example?to=bank.example") == "evil[.]example");
    CHECK(domain::shown_host("evil.example\\@bank.example") == "evil[.]example");
}

TEST_CASE("a name that a mail quotes is one harmless line of bounded length") {
    CHECK(domain::shown_name("JSIG-RAT GHOST-Activity-9") == "JSIG-RAT GHOST-Activity-9");
    CHECK(domain::shown_name("a\r\nBcc: b\tc") == "a  Bcc: b c");
    CHECK(domain::shown_name("gpj.\u202Eexe\u2066") == "gpj. exe");
    CHECK(domain::shown_name("①㈱\U0001F600") == "???");
    CHECK(domain::shown_name("see http://evil.example or www.evil.example") ==
          "see http: //evil.example or www[.]evil.example");
    CHECK(domain::shown_name("\xFFx").find('x') != std::string::npos);
    CHECK(domain::shown_name(std::string(10'000, 'x')) == std::string(domain::longest_name, 'x') + "...");
    std::string kana;
    for (std::size_t i = 0; i < domain::longest_name; ++i) {
        kana += "あ";
    }
    CHECK(domain::shown_name(kana) == kana);
    CHECK(domain::shown_name(kana + "い") == kana + "...");
}

TEST_CASE("what is counted knows whether it is one") {
    domain::TextValues values;
    domain::put_number(values, "n", 1'234);
    domain::put_number(values, "m", 1);
    CHECK(std::get<std::string>(values["n"]) == "1,234");
    CHECK_FALSE(std::get<bool>(values["n_one"]));
    CHECK(std::get<bool>(values["m_one"]));
}
