// Applies records of one partition to the database, exactly once: everything of a poll in one transaction, or nothing.
// Works without Kafka: records in, rows out. One per worker, on the worker's own session.
//
//   begin
//   fence: renew the lease and set the log position           no row: fenced. Another generation: restart.
//   read and lock the cursors of every stream in the poll     (unknown after a restored backup: inserted)
//   per record: last < next_seq: skip. first > next_seq: do not advance.
//               H at the cursor is another one: close the stream, alarm.
//               else take only the part from next_seq on; tombstones and gone ranges are stated as losses
//   entries taken > rows (entry_plan.h)
//   losses, cursors by compare-and-set, alarms
//   commit
//
//   a statement is refused: find the entries that cannot be stored even alone, by halves under savepoints, and do it
//   again with these in quarantine; none to blame: fail, and nothing is dropped
//   anything but a commit: discard what is remembered of the database
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "correlator/batch_decisions.h"
#include "correlator/entry_plan.h"
#include "correlator/poll.h"
#include "correlator/record_reader.h"
#include "correlator/rule_packs.h"
#include "store/correlator_leases.h"

namespace mimamori::correlator {

struct ApplierLimits {
    std::size_t block_keys_per_hour = 1000;      // of a customer and kind
    std::int64_t unknown_signatures = 10'000;    // rows of a partition's list
    std::chrono::milliseconds remember_rentals{30'000};
};

struct ReachedStream {
    base::StreamId id;
    store::StreamKey key;
    delivery::Cursor cursor;
};

struct Applied {
    delivery::CommitEnd end = delivery::CommitEnd::failed;
    base::Failure failure{base::FailureKind::retry, ""};  // unless committed
    bool generation_changed = false;                      // another database: restart
    std::optional<PackSet::Answer> missing_pack;          // nothing is wrong but this: try the same again later
    bool newer_pack = false;                              // a pack was loaded that is not read yet: the same
    bool stuck = false;                                   // refused, and no single entry is to blame

    delivery::StoredPosition position;    // as committed
    std::vector<ReachedStream> streams;   // every stream in the poll, skipped ones too
    delivery::Counters counted;           // what became of the entries
    std::uint64_t gaps = 0, old = 0;      // batches
};

class PollApplier {
  public:
    // All of them outlive the applier.
    PollApplier(store::Connection& connection, const store::Lease& lease, const delivery::Generation& generation,
                RulePacks& packs, platform::Events& events, const ApplierLimits& limits);

    // `records`: in the order of the log, at least one, the first at or above position.next_offset.
    Applied apply_poll(std::span<const LogRecord> records, const delivery::StoredPosition& position);

    // The log is another one: sets the position, in a transaction of its own.
    Applied move_position(const delivery::StoredPosition& to);

  private:
    base::Expected<void> attempt(const Unstorable& unstorable, Applied& out);
    base::Expected<Unstorable> find_unstorable(const Applied& out);
    base::Expected<void> open_transaction(const delivery::StoredPosition& position, Applied* out);
    base::Expected<void> read_streams();
    base::Expected<void> load_streams(const std::vector<store::NewStream>& named);
    base::Expected<void> write_streams();
    void leave_out_told_clocks();
    base::Expected<void> raise_alarms();
    Applied finish(Applied out, base::Expected<void> done);

    store::Connection& connection_;
    const store::Lease lease_;
    const delivery::Generation generation_;
    RulePacks& packs_;
    platform::Events& events_;
    const ApplierLimits limits_;
    RecordReader reader_;
    Rentals rentals_;
    Judge judge_;
    BlockKeys block_keys_;
    std::shared_ptr<const PackSet> pack_set_;
    base::Time forgotten_at_{};
    std::map<std::string, std::chrono::steady_clock::time_point> clocks_told_;  // by the alarm's subject
    Poll poll_;  // of the transaction at hand
    StreamIndex stream_index_;
};

}  // namespace mimamori::correlator
