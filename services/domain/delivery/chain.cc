#include "domain/delivery/chain.h"

// The one third-party header of the domain: a hash is arithmetic, and the agent and the correlator must share this one.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

namespace mimamori::domain::delivery {
namespace {

Hash128 canonical(XXH128_hash_t hash) {
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    Hash128 out;
    std::memcpy(out.data(), bytes.digest, out.size());
    return out;
}

}  // namespace

Hash128 digest_of(EntryKind kind, std::string_view payload) {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    const auto kind_byte = static_cast<std::uint8_t>(kind);
    XXH3_128bits_update(&state, &kind_byte, 1);
    XXH3_128bits_update(&state, payload.data(), payload.size());
    return canonical(XXH3_128bits_digest(&state));
}

Hash128 chain_origin(Lane lane, const SpoolId& spool_id) {
    std::array<std::uint8_t, 34> bytes{};
    std::memcpy(bytes.data(), "mimamori stream 1", 17);
    bytes[17] = static_cast<std::uint8_t>(lane);
    std::memcpy(bytes.data() + 18, spool_id.data(), spool_id.size());
    return canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

Hash128 chain_next(const Hash128& before, Seq seq, const Hash128& digest) {
    std::array<std::uint8_t, 40> bytes{};
    std::memcpy(bytes.data(), before.data(), before.size());
    for (std::size_t i = 0; i < 8; ++i) {
        bytes[16 + i] = static_cast<std::uint8_t>(seq >> (8 * i));
    }
    std::memcpy(bytes.data() + 24, digest.data(), digest.size());
    return canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

Hash128 chain_over(Hash128 before, Seq first, std::span<const Hash128> digests) {
    for (const auto& digest : digests) {
        before = chain_next(before, first++, digest);
    }
    return before;
}

}  // namespace mimamori::domain::delivery
