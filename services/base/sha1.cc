#include "base/sha1.h"

#include <bit>
#include <cstddef>
#include <cstring>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

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

#ifdef __x86_64__
// The same by the processor's own instructions, four rounds each ("Intel SHA Extensions").
[[gnu::target("sha,sse4.1")]] void add_block_by_processor(State& state, const std::uint8_t* block) {
    const auto load = [](const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); };
    const auto big_endian = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    const auto abcd_before = _mm_shuffle_epi32(load(state.data()), 0x1B);
    const auto e_before = _mm_set_epi32(static_cast<int>(state[4]), 0, 0, 0);
    __m128i w[4];
    for (std::size_t i = 0; i < 4; ++i) {
        w[i] = _mm_shuffle_epi8(load(block + 16 * i), big_endian);
    }
    auto abcd = abcd_before, e = e_before;
#pragma GCC unroll 20
    for (std::size_t i = 0; i < 20; ++i) {
        auto& words = w[i % 4];
        if (i >= 4) {
            words = _mm_sha1msg2_epu32(
                _mm_xor_si128(_mm_sha1msg1_epu32(words, w[(i + 1) % 4]), w[(i + 2) % 4]), w[(i + 3) % 4]);
        }
        const auto added = i == 0 ? _mm_add_epi32(e, words) : _mm_sha1nexte_epu32(e, words);
        e = abcd;
        switch (i / 5) {
            case 0: abcd = _mm_sha1rnds4_epu32(abcd, added, 0); break;
            case 1: abcd = _mm_sha1rnds4_epu32(abcd, added, 1); break;
            case 2: abcd = _mm_sha1rnds4_epu32(abcd, added, 2); break;
            default: abcd = _mm_sha1rnds4_epu32(abcd, added, 3);
        }
    }
    abcd = _mm_shuffle_epi32(_mm_add_epi32(abcd, abcd_before), 0x1B);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state.data()), abcd);
    state[4] = static_cast<std::uint32_t>(_mm_extract_epi32(_mm_sha1nexte_epu32(e, e_before), 3));
}

bool processor_knows_sha1() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0 && __builtin_cpu_supports("sse4.1");
}
#endif

using AddBlock = void (*)(State&, const std::uint8_t*);

AddBlock fastest() {
#ifdef __x86_64__
    if (processor_knows_sha1()) {
        return add_block_by_processor;
    }
#endif
    return add_block;
}

}  // namespace

std::array<std::uint8_t, 20> sha1(std::string_view bytes, bool portably) {
    static const AddBlock chosen = fastest();
    const AddBlock add = portably ? add_block : chosen;
    State state{0x67452301U, 0xEFCDAB89U, 0x98BADCFEU, 0x10325476U, 0xC3D2E1F0U};
    const auto bits = static_cast<std::uint64_t>(bytes.size()) * 8;
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    std::size_t left = bytes.size();
    for (; left >= 64; left -= 64, data += 64) {
        add(state, data);
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
    add(state, tail.data());
    if (size == 128) {
        add(state, tail.data() + 64);
    }
    std::array<std::uint8_t, 20> out;
#pragma GCC unroll 20
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    }
    return out;
}

}  // namespace mimamori::base
