// Characters that a Japanese mail may use: those of ISO-2022-JP (RFC 1468: ASCII, JIS X 0201 Roman, JIS X 0208), so
// that every mail program and every gateway shows them. Not a converter: mails are UTF-8.
#pragma once

#include <optional>
#include <string_view>

namespace mimamori::domain {

// The first character of `utf8` that ISO-2022-JP lacks, as the bytes of that character: "①", "㈱", "～" (U+FF5E; the
// wave dash "〜" U+301C is in it), half-width kana, emoji. Malformed UTF-8 counts as such a character of one byte.
std::optional<std::string_view> first_outside_iso_2022_jp(std::string_view utf8);

inline bool is_iso_2022_jp_safe(std::string_view utf8) {
    return !first_outside_iso_2022_jp(utf8);
}

}  // namespace mimamori::domain
