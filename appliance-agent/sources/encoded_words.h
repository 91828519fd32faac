// RFC 2047 encoded words, as mail subjects carry them: "=?ISO-2022-JP?B?GyRCQUE..?=" into UTF-8.
// Not a mail parser. Charsets: UTF-8, ASCII, ISO-2022-JP, Shift_JIS and EUC-JP with their Japanese vendors' characters,
// and a few others of mail; a word of any other charset stays as it was written.
#pragma once

#include <string>
#include <string_view>

namespace mimamori::agent::sources {

// Broken bytes become U+FFFD. Characters split over two adjacent words of one charset are joined, as Japanese mailers
// write them. Bare ISO-2022-JP (an escape sequence outside any word) is decoded too.
std::string decode_encoded_words(std::string_view header);

}  // namespace mimamori::agent::sources
