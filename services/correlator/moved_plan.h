// The entries of one transaction that were moved from a forked spool. Each is marked with the first place it ever had, and is
// skipped if its row stands there, or if another spool brought it already. Blocks have no row to compare with: at most as
// many as are moved are counted twice. Why a fork moves anything is told in domain/delivery/agent_link.h.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "correlator/poll.h"
#include "store/correlator_store.h"

namespace mimamori::correlator {

class MovedPlan {
  public:
    // In the order of the log: of two moved entries with one place the first is stored.
    base::Expected<void> read(store::Connection& connection, const Poll& poll, std::span<const TakenEntry> entries);

    bool is_repeated(const TakenEntry& entry) const {
        return !repeated_.empty() && repeated_.contains({entry.stream, entry.seq});
    }

    base::Expected<void> write(store::Connection& connection) const;

  private:
    std::set<std::pair<std::uint32_t, delivery::Seq>> repeated_;
    std::vector<store::MovedEntry> stored_;
};

}  // namespace mimamori::correlator
