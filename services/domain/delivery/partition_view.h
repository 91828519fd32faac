// What a gateway knows of one partition of the log: how far the correlator has committed, and what of its own records
// lies before that. Fed by the progress topic, by reads of PostgreSQL and by delivery reports; sessions get a small
// snapshot. Not thread-safe: one owner, who hands out snapshots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "domain/delivery/types.h"

namespace mimamori::domain::delivery {

// Small and immutable: sessions on other threads decide by it without a lock.
struct PartitionSnapshot {
    Generation generation{};
    LogPosition committed{};
    // Records of this gateway up to this one, in producing order, whatever session they were of (ticks too), were
    // passed: one of them or a later one lies below the committed offset, or they were produced under an older log_no.
    // 0: none.
    std::uint64_t passed_order = 0;
};

class PartitionView {
  public:
    explicit PartitionView(Generation generation) { now_.generation = generation; }

    const PartitionSnapshot& snapshot() const { return now_; }

    // Progress of another generation, of an older log, or older in the same log is ignored. True if something changed.
    // Streams named in progress of another generation must be ignored too: see snapshot().generation.
    bool on_progress(const Generation& generation, const LogPosition& committed);

    // The same from PostgreSQL itself.
    bool on_database(const LogPosition& committed);

    // Every record the gateway produces to this partition gets the next number. Numbers out of producing order do no
    // harm but a needless rewind.
    std::uint64_t next_order() { return ++orders_; }
    // A delivery report, before the session is told of it.
    // True if the snapshot changed: sessions with something unsettled must look again.
    bool on_landed(std::uint64_t order, std::int64_t offset);

    // A tick is due while anything is unsettled, at most every `interval_ms`, measured on a steady clock.
    bool tick_due(bool anything_unsettled, std::int64_t now_ms, std::int64_t interval_ms = 1000);

    static constexpr std::size_t max_awaited = 4096;
    std::size_t awaited() const { return awaited_.size(); }

  private:
    struct Landed {
        std::uint64_t order;
        std::int64_t offset;
    };
    bool pass();

    PartitionSnapshot now_;
    std::uint64_t orders_ = 0;
    // Landed and not passed, ascending in order and in offset: a record says nothing where a later one lies lower.
    std::deque<Landed> awaited_;
    std::optional<std::int64_t> last_tick_ms_;
};

}  // namespace mimamori::domain::delivery
