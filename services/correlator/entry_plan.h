// What becomes of the entries taken in one transaction: reads and judges them, asks PostgreSQL for what the decisions need,
// and writes the rows. Cursors are not its business (poll_applier.h).
//
//   read:   decode each entry: detection, block, rejected, or quarantined if it cannot be read
//           an entry that was moved from a forked spool and is stored already is skipped
//           detection > direction, verdict of the pack in force at receive time, device, sign
//           ask for the newest findings, signs and block keys; then group in the order of the log
//   write:  findings, mail items, signs, detections, quarantine, blocks, unknown names: one statement or COPY each
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "correlator/block_plan.h"
#include "correlator/finding_plan.h"
#include "correlator/judge.h"
#include "correlator/moved_plan.h"
#include "correlator/poll.h"
#include "correlator/sign_plan.h"
#include "domain/event_time.h"
#include "store/correlator_rows.h"

namespace mimamori::correlator {

class EntryPlan {
  public:
    // All of them outlive the plan.
    EntryPlan(Poll& poll, const PackSet& packs, Judge& judge, BlockKeys& block_keys);

    // `only`: which of poll.taken. Fails with conflict and missing_pack() set where no pack can judge a detection.
    base::Expected<void> read(store::Connection& connection, std::span<const TakenEntry> only, const Unstorable& unstorable);
    base::Expected<void> write(store::Connection& connection, std::int32_t partition, std::int64_t most_unknown);

    // Adds what became of each entry to the streams' counters, and the alarms to the poll's.
    void account();

    const std::optional<PackSet::Answer>& missing_pack() const { return missing_pack_; }
    std::int64_t unknown_not_listed() const { return unknown_not_listed_; }
    std::size_t detections() const { return detections_.size(); }

  private:
    struct Detection {
        TakenEntry entry;
        domain::DetectionView view;
        domain::EventTimes times;
        domain::Direction direction;
        domain::Verdict verdict;
        std::shared_ptr<const CompiledPack> pack;
        std::optional<std::size_t> finding_key;  // with a star
        std::optional<std::size_t> sign_device, several_key;
        std::optional<domain::SignMark> mark;
        std::optional<std::size_t> draft;
    };
    struct Quarantined {
        TakenEntry entry;
        bool rejected;
        std::string reason;
    };
    using Name = std::tuple<domain::Function, domain::Direction, std::string>;

    base::Expected<void> read_event(const TakenEntry& entry);
    void read_block(const TakenEntry& entry);
    void read_rejected(const TakenEntry& entry);
    void quarantine(const TakenEntry& entry, std::string_view reason);
    base::Expected<void> ask(store::Connection& connection);
    void group();
    base::Expected<void> write_findings(store::Connection& connection);
    base::Expected<void> write_rows(store::Connection& connection);
    base::Expected<const PackSet::Answer*> pack_at(base::Time received);

    const adapters::wire::EntryView& view_of(const TakenEntry& entry) const { return poll_.records[entry.record].entries[entry.index]; }
    const adapters::wire::LogRecordView& record_of(const TakenEntry& entry) const { return poll_.records[entry.record].view; }
    store::EntryPlace place_of(const TakenEntry& entry) const;
    store::FindingDetails details_of(const Detection& detection, const domain::Verdict& verdict) const;
    void outcome(const TakenEntry& entry, delivery::Outcome what) { outcomes_.push_back({entry.stream, what}); }
    void note_clock(const TakenEntry& entry, const domain::EventTimes& times);

    Poll& poll_;
    const PackSet& packs_;
    Judge& judge_;
    BlockKeys& block_keys_;
    std::optional<std::pair<base::Time, PackSet::Answer>> last_pack_;
    std::optional<PackSet::Answer> missing_pack_;
    MovedPlan moved_;
    std::vector<std::pair<std::uint32_t, delivery::Outcome>> outcomes_;
    std::vector<Detection> detections_;
    std::vector<Quarantined> quarantined_;
    FindingPlan findings_;
    SignPlan signs_;
    BlockPlan blocks_;
    std::map<Name, store::UnknownName> unknown_;
    struct Skewed {
        std::uint32_t record;
        std::string detail;
    };
    std::map<std::uint32_t, Skewed> skewed_;  // by stream: what its clocks say
    std::int64_t unknown_not_listed_ = 0;
};

}  // namespace mimamori::correlator
