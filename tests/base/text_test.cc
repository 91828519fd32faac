// Text that somebody else wrote, made safe to store and to show.
#include <catch2/catch.hpp>

#include "base/text.h"

using namespace mimamori::base;

TEST_CASE("UTF-8 is what RFC 3629 says it is") {
    for (const auto* good : {"", "abc", "日本語", "😀", "\xF4\x8F\xBF\xBF"}) {
        CHECK(is_utf8(good));
    }
    for (const auto* bad : {"\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x9F\x98", "a\xFF" "b", "\xE6\x97"}) {
        CHECK_FALSE(is_utf8(bad));
        CHECK(is_utf8(to_valid_utf8(bad, 1000)));
    }
}

TEST_CASE("malformed bytes and NUL are replaced, the rest is kept") {
    CHECK(to_valid_utf8("a\xFF" "日\x80", 100) == "a\xEF\xBF\xBD日\xEF\xBF\xBD");
    CHECK(to_valid_utf8(std::string_view{"a\0b", 3}, 100) == "a\xEF\xBF\xBD" "b");
}

TEST_CASE("text is cut at a character's edge") {
    CHECK(to_valid_utf8("日本語", 8) == "日本");
    CHECK(to_valid_utf8("日本語", 9) == "日本語");
    CHECK(to_valid_utf8("日本語", 0).empty());
}

TEST_CASE("one line stays one line, and nothing invisible turns it around") {
    CHECK(to_single_line("a\r\nBcc: b") == "a  Bcc: b");
    CHECK(to_single_line("exe\u202Efdp.\u200Bx") == "exe fdp. x");
    CHECK(to_single_line("tab\there\x7F") == "tab here ");
    CHECK(to_single_line("日本語 😀") == "日本語 😀");
}

TEST_CASE("hexadecimal goes both ways and refuses what is none") {
    CHECK(from_hex("00fFa0") == std::string("\x00\xFF\xA0", 3));
    CHECK_FALSE(from_hex("0"));
    CHECK_FALSE(from_hex("0g"));
    CHECK(trim(" \t x y \r\n") == "x y");
    CHECK(trim(" \n").empty());
}
