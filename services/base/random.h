// Bytes nobody can guess, from the kernel. For ids, epochs and jitter; the domain gets them passed in.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace mimamori::base {

using Bytes16 = std::array<std::uint8_t, 16>;

void fill_random(std::span<std::uint8_t> bytes);  // getrandom(2); aborts if the kernel refuses
Bytes16 random_bytes16();
std::uint64_t random_u64();

// UUIDs of RFC 9562. v4 is random; the text form is lower case with dashes.
Bytes16 random_uuid();
std::string uuid_text(const Bytes16& uuid);

}  // namespace mimamori::base
