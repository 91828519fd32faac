// Which partition of the batches topic a customer's records go to: always the same one, so that one worker owns a
// customer. Used by whoever writes to the topic and whoever wants to know where a customer is.
// Frozen: another function, like another partition count, would split customers between two workers.
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace mimamori::domain::delivery {

// The finalizer of splitmix64 over the id, modulo the partition count. `partitions` > 0.
constexpr std::int32_t partition_of(base::CustomerId customer, std::int32_t partitions) {
    std::uint64_t hash = static_cast<std::uint64_t>(customer.value);
    hash += 0x9E3779B97F4A7C15ULL;
    hash = (hash ^ (hash >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    hash = (hash ^ (hash >> 27U)) * 0x94D049BB133111EBULL;
    hash ^= hash >> 31U;
    return static_cast<std::int32_t>(hash % static_cast<std::uint64_t>(partitions));
}

}  // namespace mimamori::domain::delivery
