// The table against the C library's converter, character by character.
#include "domain/iso_2022_jp.h"

#include <iconv.h>

#include <catch2/catch.hpp>
#include <string>

namespace mimamori::tests {
namespace {

std::string utf8(char32_t c) {
    std::string out;
    const auto tail = [&](unsigned shift) { out.push_back(static_cast<char>(0x80 | (c >> shift & 0x3F))); };
    if (c < 0x80) {
        out.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
        out.push_back(static_cast<char>(0xC0 | c >> 6));
        tail(0);
    } else if (c < 0x10000) {
        out.push_back(static_cast<char>(0xE0 | c >> 12));
        tail(6);
        tail(0);
    } else {
        out.push_back(static_cast<char>(0xF0 | c >> 18));
        tail(12);
        tail(6);
        tail(0);
    }
    return out;
}

TEST_CASE("the table is that of the standard") {
    const auto converter = iconv_open("ISO-2022-JP", "UTF-8");
    REQUIRE(converter != reinterpret_cast<iconv_t>(-1));
    int inside = 0;
    int wrong = 0;
    for (char32_t c = 0; c < 0x20000; ++c) {
        if (c >= 0xD800 && c < 0xE000) {
            continue;
        }
        auto in = utf8(c);
        char out[64];
        char* from = in.data();
        char* to = out;
        std::size_t from_left = in.size();
        std::size_t to_left = sizeof out;
        iconv(converter, nullptr, nullptr, nullptr, nullptr);
        const bool converts = iconv(converter, &from, &from_left, &to, &to_left) != static_cast<std::size_t>(-1);
        inside += converts ? 1 : 0;
        wrong += converts == domain::is_iso_2022_jp_safe(in) ? 0 : 1;
    }
    iconv_close(converter);
    CHECK(wrong == 0);
    CHECK(inside == 128 + 6879 + 2);  // ASCII, JIS X 0208, yen sign and overline
}

TEST_CASE("characters that spoil Japanese mails are named") {
    const std::pair<const char*, const char*> bad[] = {
        {"手順①です", "①"},     {"㈱みほん", "㈱"}, {"ﾊﾟｿｺﾝ", "ﾊ"},       {"9～18時", "～"},    {"髙橋", "髙"},
        {"完了しました😀", "😀"}, {"5－6", "－"},     {"\xE3\x81", "\xE3"}, {"ok\xFFok", "\xFF"},
    };
    for (const auto& [text, first] : bad) {
        INFO(text);
        CHECK(domain::first_outside_iso_2022_jp(text) == std::string_view{first});
    }
    for (const auto* text : {"", "Plain ASCII.", "★★★（★★★：高、★★☆：中、★☆☆：低）", "9時〜18時", "「UTM」・ＬＡＮ"}) {
        INFO(text);
        CHECK(domain::is_iso_2022_jp_safe(text));
    }
}

}  // namespace
}  // namespace mimamori::tests
