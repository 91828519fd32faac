#include "appliance-agent/sources/charsets/convert.h"

#include <cstdint>

namespace mimamori::agent::sources {
namespace {

struct Character {
    char32_t code = 0xFFFD;
    std::size_t size = 1;
};

// Where in a table of pairs these two bytes are; `leads * trails` if no pair begins like this.
std::size_t pair_index(std::uint8_t lead, std::uint8_t trail) {
    const bool is_pair = lead >= first_lead && lead < first_lead + leads && trail >= first_trail;
    return is_pair ? (lead - first_lead) * trails + (trail - first_trail) : leads * trails;
}

char32_t quad(const char32_t* table, std::string_view bytes) {
    const auto digit = [&](std::size_t at, std::uint8_t first, std::size_t count) {
        const auto value = static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[at]) - first);
        return value < count ? value : first_linear_quad * 10;  // out of all numbers
    };
    const auto index =
        digit(0, 0x81, 126) * 12'600 + digit(1, 0x30, 10) * 1'260 + digit(2, 0x81, 126) * 10 + digit(3, 0x30, 10);
    if (index < quads_in_table) {
        return table[index];
    }
    return index >= first_linear_quad && index < first_linear_quad + 0x100000
               ? static_cast<char32_t>(0x10000 + index - first_linear_quad)
               : 0;
}

// The character at the front of `bytes`, which are not empty.
Character first_character(const Charset& charset, std::string_view bytes) {
    const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); };
    if (byte(0) < first_single) {
        return {byte(0), 1};
    }
    if (const auto code = charset.single[byte(0) - first_single]) {
        return {code, 1};
    }
    if (bytes.size() >= 2) {
        const auto index = pair_index(byte(0), byte(1));
        if (index < leads * trails && charset.pairs[index] != 0) {
            return {charset.pairs[index], 2};
        }
    }
    if (charset.triples != nullptr && bytes.size() >= 3 && byte(0) == 0x8F) {
        const auto index = pair_index(byte(1), byte(2));
        if (index < leads * trails && charset.triples[index] != 0) {
            return {charset.triples[index], 3};
        }
    }
    if (charset.quads != nullptr && bytes.size() >= 4) {
        if (const auto code = quad(charset.quads, bytes)) {
            return {code, 4};
        }
    }
    return {};
}

void append(std::string& out, char32_t code) {
    const auto tail = [&](int shift) { out.push_back(static_cast<char>(0x80 | (code >> shift & 0x3F))); };
    if (code < 0x80) {
        out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
        out.push_back(static_cast<char>(0xC0 | code >> 6));
        tail(0);
    } else if (code < 0x10000) {
        out.push_back(static_cast<char>(0xE0 | code >> 12));
        tail(6);
        tail(0);
    } else {
        out.push_back(static_cast<char>(0xF0 | code >> 18));
        tail(12);
        tail(6);
        tail(0);
    }
}

}  // namespace

std::string to_utf8(const Charset& charset, std::string_view bytes) {
    std::string out;
    while (!bytes.empty()) {
        const auto next = first_character(charset, bytes);
        append(out, next.code);
        bytes.remove_prefix(next.size);
    }
    return out;
}

}  // namespace mimamori::agent::sources
