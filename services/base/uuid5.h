// Ids that follow from names: UUIDv5 of RFC 9562, section 5.5. SHA-1 serves as a spreading function here, never as a
// protection.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/random.h"

namespace mimamori::base {

std::array<std::uint8_t, 20> sha1(std::string_view bytes);  // FIPS 180-4

// The same name in the same namespace always gives the same id.
Bytes16 uuid_v5(const Bytes16& space, std::string_view name);

}  // namespace mimamori::base
