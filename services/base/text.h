// Small facts about text that every layer needs: valid UTF-8, hex, characters that must not reach a header or a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mimamori::base {

// True if `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

// `text` with every malformed byte replaced by U+FFFD and cut to at most `max_bytes` at a character's edge.
// NUL is replaced as well: PostgreSQL cannot store it in text.
std::string to_valid_utf8(std::string_view text, std::size_t max_bytes);

// `text` without control characters (C0, DEL, C1) and without bidirectional and invisible format characters:
// what may be shown on one line of a mail header, a log or a terminal. Each removed character becomes a blank.
// `text` must be valid UTF-8.
std::string to_single_line(std::string_view text);

std::string to_hex(std::span<const std::uint8_t> bytes);  // lower case
std::optional<std::string> from_hex(std::string_view hex);

std::string_view trim(std::string_view text);  // blanks, tabs, CR and LF at both ends

}  // namespace mimamori::base
