// Mail charsets as tables, so that the program converts without the C library's own modules, which an appliance may
// lack. They are made while building, by make_tables.cc. Not for UTF-8, and not for charsets that switch by escape
// sequences.
#pragma once

#include <cstddef>

namespace mimamori::agent::sources {

constexpr std::size_t first_single = 0x80;  // below it is ASCII
constexpr std::size_t first_lead = 0x81, leads = 126;
constexpr std::size_t first_trail = 0x40, trails = 192;
constexpr std::size_t quads_in_table = 39'420;  // of GB18030; what follows goes up by one from first_linear_quad on
constexpr std::size_t first_linear_quad = 189'000;

// 0 stands for no character. Characters of one byte, then of two, [lead][trail]; where there are such, of three (0x8F
// before a pair) and of four in the order of their numbers.
struct Charset {
    const char32_t* single;
    const char32_t* pairs;
    const char32_t* triples;
    const char32_t* quads;
};

extern const Charset ascii, cp1252, cp932, cp949, euc_jp, gb18030;

}  // namespace mimamori::agent::sources
