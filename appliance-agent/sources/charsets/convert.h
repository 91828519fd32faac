// Bytes of a mail charset into UTF-8. Which name of a mail means which charset is said in encoded_words.cc.
#pragma once

#include <string>
#include <string_view>

#include "appliance-agent/sources/charsets/tables.h"

namespace mimamori::agent::sources {

// A byte that begins no character becomes U+FFFD.
std::string to_utf8(const Charset& charset, std::string_view bytes);

}  // namespace mimamori::agent::sources
