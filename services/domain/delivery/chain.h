// The chain over a stream's entries: made when an entry is numbered, never recomputed, checked at any cursor however
// batches are cut. d_n = XXH3-128(kind, payload); H_n = XXH3-128(H_(n-1), n, d_n); H_0 comes from lane and spool id.
#pragma once

#include <span>
#include <string_view>

#include "domain/delivery/types.h"

namespace mimamori::domain::delivery {

// d of one entry. `payload` are the spooled bytes.
Hash128 digest_of(EntryKind kind, std::string_view payload);

// H_0: H before the first entry of a stream.
Hash128 chain_origin(Lane lane, const SpoolId& spool_id);

// H_n from H_(n-1), n and d_n.
Hash128 chain_next(const Hash128& before, Seq seq, const Hash128& digest);

// H after the entries `first`, `first` + 1, ... with these digests.
Hash128 chain_over(Hash128 before, Seq first, std::span<const Hash128> digests);

}  // namespace mimamori::domain::delivery
