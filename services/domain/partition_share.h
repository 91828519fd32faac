// How several correlators share the partitions of the log: each decides for itself from the same table, nobody leads.
// Pure; the leases are PostgreSQL's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mimamori::domain {

struct HeldPartition {
    std::int32_t partition = 0;
    std::string holder;  // empty: nobody's
};

struct ShareStep {
    std::vector<std::int32_t> take;     // free ones to ask for, in this order
    std::vector<std::int32_t> release;  // own ones to hand over
};

// What `me` does next, with `live` correlators alive (those who hold nothing too, and me). A share is the partitions over the
// living, rounded down or up. Free ones are taken up to the share rounded up, or only down while somebody else has less
// than that. One is handed over at a time, by whoever has most (of equals the first by name): when it has more than the
// share rounded up, or more than the share rounded down while somebody has less.
ShareStep next_share_step(std::span<const HeldPartition> partitions, std::string_view me, std::size_t live);

}  // namespace mimamori::domain
