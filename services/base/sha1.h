// SHA-1 for UUIDv5: a spreading function here, never a protection.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mimamori::base {

// FIPS 180-4. `portably`: without the processor's own instructions for it, which the tests compare.
std::array<std::uint8_t, 20> sha1(std::string_view bytes, bool portably = false);

}  // namespace mimamori::base
