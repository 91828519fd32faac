// Small texts of a mail: money, hours, names that must not become links.
#include <catch2/catch.hpp>

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
    CHECK(domain::window_text(start - std::chrono::hours{11}, start - std::chrono::hours{10}, Language::en) == "7 April, 23:00 to 00:00");
}

TEST_CASE("a dangerous site's name is no link") {
    CHECK(domain::defanged("http://infopicked.com/aS") == "hxxp://infopicked[.]com/aS");
    CHECK(domain::defanged("eu.dspultra.com") == "eu[.]dspultra[.]com");
}
