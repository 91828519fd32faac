#include "base/uuid5.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

namespace mimamori::base {
namespace {

using State = std::array<std::uint32_t, 5>;

void add_block(State& state, const std::uint8_t* block) {
    std::array<std::uint32_t, 80> w;
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 16; ++i) {
        w[i] = std::uint32_t{block[4 * i]} << 24U | std::uint32_t{block[4 * i + 1]} << 16U |
               std::uint32_t{block[4 * i + 2]} << 8U | std::uint32_t{block[4 * i + 3]};
    }
#pragma GCC unroll 16
    for (std::size_t i = 16; i < 80; ++i) {
        w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    auto [a, b, c, d, e] = state;
    const auto rounds = [&](std::size_t from, std::uint32_t constant, auto&& mix) {
#pragma GCC unroll 20  // so that no value need be moved
        for (std::size_t i = from; i < from + 20; ++i) {
            const std::uint32_t next = std::rotl(a, 5) + mix() + e + constant + w[i];
            e = d;
            d = c;
            c = std::rotl(b, 30);
            b = a;
            a = next;
        }
    };
    rounds(0, 0x5A827999U, [&] { return (b & c) | (~b & d); });
    rounds(20, 0x6ED9EBA1U, [&] { return b ^ c ^ d; });
    rounds(40, 0x8F1BBCDCU, [&] { return (b & c) | (b & d) | (c & d); });
    rounds(60, 0xCA62C1D6U, [&] { return b ^ c ^ d; });
    state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

}  // namespace

std::array<std::uint8_t, 20> sha1(std::string_view bytes) {
    State state{0x67452301U, 0xEFCDAB89U, 0x98BADCFEU, 0x10325476U, 0xC3D2E1F0U};
    const auto bits = static_cast<std::uint64_t>(bytes.size()) * 8;
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    std::size_t left = bytes.size();
    for (; left >= 64; left -= 64, data += 64) {
        add_block(state, data);
    }
    std::array<std::uint8_t, 128> tail{};
    if (left > 0) {
        std::memcpy(tail.data(), data, left);
    }
    tail[left] = 0x80;
    const std::size_t size = left < 56 ? 64 : 128;
    for (std::size_t i = 0; i < 8; ++i) {
        tail[size - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
    }
    add_block(state, tail.data());
    if (size == 128) {
        add_block(state, tail.data() + 64);
    }
    std::array<std::uint8_t, 20> out;
#pragma GCC unroll 20
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    }
    return out;
}

Bytes16 uuid_v5(const Bytes16& space, std::string_view name) {
    const auto hash = [&] {
        std::array<char, 48> small;  // nearly all names are: spares an allocation
        if (space.size() + name.size() <= small.size()) {
            std::copy(name.begin(), name.end(), std::copy(space.begin(), space.end(), small.begin()));
            return sha1({small.data(), space.size() + name.size()});
        }
        return sha1(std::string{space.begin(), space.end()}.append(name));
    }();
    Bytes16 out;
    std::copy_n(hash.begin(), out.size(), out.begin());
    out[6] = static_cast<std::uint8_t>((out[6] & 0x0FU) | 0x50U);
    out[8] = static_cast<std::uint8_t>((out[8] & 0x3FU) | 0x80U);
    return out;
}

}  // namespace mimamori::base
