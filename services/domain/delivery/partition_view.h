// What a gateway knows of one partition of the log: how far the correlator has committed, and what the gateway itself has
// produced. Fed by the progress topic, by reads of PostgreSQL and by delivery reports; sessions get a small snapshot.
// Not thread-safe: one owner, who hands out snapshots.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "domain/delivery/types.h"

namespace mimamori::domain::delivery {

// Small and immutable: sessions on other threads decide by it without a lock.
struct PartitionSnapshot {
    Generation generation{};
    LogPosition committed{};
    // The newest record of this gateway known to have landed, in producing order, whatever session it was of (ticks too).
    std::uint64_t landed_order = 0;  // 0: none
    std::int64_t landed_offset = 0;
};

class PartitionView {
  public:
    explicit PartitionView(Generation generation) { now_.generation = generation; }

    const PartitionSnapshot& snapshot() const { return now_; }

    // Progress of another generation, of an older log, or older in the same log is ignored. True if something changed.
    bool on_progress(const Generation& generation, const LogPosition& committed);

    // The same from PostgreSQL itself. The primary's word: only an older one of the same log is ignored.
    bool on_database(const LogPosition& committed);

    // Every record the gateway produces to this partition gets the next number.
    std::uint64_t next_order() { return ++orders_; }
    void on_landed(std::uint64_t order, std::int64_t offset);

    // A tick is due while anything is unsettled, at most every `interval_ms`, measured on a steady clock.
    bool tick_due(bool anything_unsettled, std::int64_t now_ms, std::int64_t interval_ms = 1000);

  private:
    PartitionSnapshot now_;
    std::uint64_t orders_ = 0;
    std::optional<std::int64_t> last_tick_ms_;
};

}  // namespace mimamori::domain::delivery
