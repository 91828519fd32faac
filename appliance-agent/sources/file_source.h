// A followed log file as a Source: tail, framer and line format put together, and the queue that keeps entries in the
// order of their lines while one of them waits for the other events of its flow.
//
//   read_some: for each piece of the file
//                for each frame:  already spooled -> count it
//                                 broken or refused -> rejected entry
//                                 native or firewall line -> event or block entry, or nothing
//                                 EVE alert -> event entry, waiting if its flow may still tell a file, mail or site
//                                 other EVE event -> remember its fact, complete the waiting alerts of its flow
//              hand out from the queue's front what no longer waits: completed, too old, or over a bound
#pragma once

#include <deque>
#include <optional>
#include <unordered_set>

#include "appliance-agent/sources/entries.h"
#include "appliance-agent/sources/eve_detection.h"
#include "appliance-agent/sources/framer.h"
#include "appliance-agent/sources/source.h"
#include "appliance-agent/sources/tail.h"
#include "mimamori/detection/v1/detection.pb.h"

namespace mimamori::agent::sources {

class FileSource final : public Source {
  public:
    FileSource(LineFormat format, SourceOptions options, std::optional<Checkpoint> from, std::vector<Position> spooled);

    base::Expected<ReadState> read_some(std::size_t max_bytes, base::Time now, std::vector<Produced>& out) override;
    void release_held(std::vector<Produced>& out) override;
    std::optional<Checkpoint> checkpoint() const override;
    void set_lan(std::vector<domain::AddressRange> lan) override { entries_.set_lan(std::move(lan)); }
    SourceStats stats() const override;
    const std::string& id() const override { return options_.id; }

  private:
    struct Queued {
        Produced entry;
        std::int64_t modified_ns = 0;  // of its file, for the checkpoint
        std::optional<EveAlert> waiting;
        std::uint64_t flow_id = 0;
        bool joined = false;
        base::Time deadline;
        std::size_t bytes = 0;
    };

    void begin_content();
    void warm_up();
    void take(const Frame& frame);
    void take_eve(const Frame& frame);
    void take_alert(const Frame& frame, EveEvent event);
    void complete_waiting(std::uint64_t flow_id, const EveFact& fact);
    void reject(const Frame& frame, std::string_view reason);
    void finish(Queued& queued);
    Queued queued_at(const Frame& frame, Produced entry) const;
    void push(Queued queued);
    void hand_out(bool all);

    LineFormat format_;
    SourceOptions options_;
    Entries entries_;
    std::optional<Checkpoint> from_;  // until a file is open
    bool first_sight_;                // no checkpoint was given and no file was opened yet
    Tail tail_;
    Framer framer_;
    FlowFacts facts_;
    std::deque<Queued> queue_;
    std::size_t queued_bytes_ = 0;
    std::size_t waiting_ = 0;
    std::vector<Position> spooled_;              // that the first checkpoint does not cover
    std::unordered_set<std::uint64_t> to_skip_;  // offsets of the open content that are in the spool
    base::Time now_{};
    std::vector<Produced>* out_ = nullptr;  // of the call that is running
};

}  // namespace mimamori::agent::sources
