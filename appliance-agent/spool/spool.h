// The agent's spool: what was read from the logs is numbered, synced and kept here until the service has stored it.
// Three lanes, one group commit, one bound on the disk. It decides nothing about sending (domain/delivery/agent_link.h)
// and does not know what a payload says.
//
//   add ... add, commit   one frame a lane, all written, all synced; a full spool gives up its lowest lane's oldest
//   segment
//                         in the same commit, as a tombstone written to room that is reserved for it
//   cover                 a stored checkpoint covers these positions: only such entries may be freed or given up
//   free                  what the service has settled
//   move                  a forked stream's entries go to a new spool id: made beside the old one, then one rename
//
// After a failure of kind `broken` nothing that was not synced is known: close the spool and open it again.
// Disk: at most max_bytes, and while a lane is moved up to its size again.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance-agent/spool/filesystem.h"
#include "appliance-agent/spool/lane.h"

namespace mimamori::agent::spool {

struct SpoolSettings {
    std::string folder;  // is there, or its parent is
    std::uint64_t max_bytes = 64U << 20U;
    LaneLimits lane;
};

// Room kept for a tombstone when the disk is full: for as many entries as a segment may hold.
constexpr std::uint64_t reserve_bytes(const LaneLimits& limits) {
    return segment_header_bytes + limits.segment_entries * 17;
}

// A lane's folder holds its generations, one folder a spool id, and this file, which names the one in force.
inline constexpr std::string_view current_name = "CURRENT";
std::optional<SpoolId> spool_id_from(std::string_view hex);

class Spool {
  public:
    // Tells of a position whether a stored checkpoint covers it.
    using IsCovered = std::function<bool(std::string_view position)>;
    struct Uncovered {
        Seq seq;
        std::string position;
    };

    // `busy`: another process has it open. `notes` receives sentences for the operator about what was found.
    static FileResult<std::unique_ptr<Spool>> open(FileSystem& files, const SpoolSettings& settings,
                                                   const IsCovered& is_covered, std::vector<std::string>& notes);

    // An entry for the next commit. False if it must wait until then: a commit is bounded.
    // Computes its digest. Payload and position are within their bounds (format.h); the sources bound theirs lower.
    bool add(delivery::Lane lane, Entry entry);
    bool has_room(delivery::Lane lane) const;  // add would take one
    enum class Commit {
        done,
        full,  // some entries still wait: the disk is full of what may not be given up; they are tried again next time
    };
    FileResult<Commit> commit(std::int64_t now_us);
    bool has_pending() const;

    // Positions of this lane's entries that no stored checkpoint covers, oldest first.
    const std::deque<Uncovered>& uncovered(delivery::Lane lane) const { return lanes_[index_of(lane)].uncovered; }
    void cover(const IsCovered& is_covered);

    const LaneFiles& lane(delivery::Lane lane) const { return *lanes_[index_of(lane)].lane; }
    FileResult<Piece> read(delivery::Lane lane, Seq from, const ReadLimits& limits) {
        return lanes_[index_of(lane)].lane->read(from, limits);
    }
    void adopt(delivery::Lane lane, Seq seq, const Hash128& h) { lanes_[index_of(lane)].lane->adopt(seq, h); }
    FileResult<void> free(delivery::Lane lane, Seq before);
    // Entries from `from` on to a new spool id, each marked with the first place it ever had.
    FileResult<void> move(delivery::Lane lane, Seq from);

    std::uint64_t bytes() const;  // on disk, without the reserve
    std::uint64_t committed_bytes(delivery::Lane lane) const {
        return lanes_[index_of(lane)].committed_bytes;
    }  // of payload, by this process
    std::uint64_t given_up_entries() const { return given_up_entries_; }

    static constexpr std::size_t max_pending_bytes = 256U << 10U;  // of records, for one lane; one entry may lie above

  private:
    struct Slot {
        std::unique_ptr<LaneFiles> lane;
        std::vector<Entry> pending;
        std::size_t pending_bytes = 0;
        std::uint64_t unsynced_bytes = 0;  // written by the commit that is running
        std::uint64_t committed_bytes = 0;
        std::deque<Uncovered> uncovered;
        Seq covered() const { return uncovered.empty() ? lane->last_durable() : uncovered.front().seq - 1; }
    };
    Spool(FileSystem& files, SpoolSettings settings) : files_{files}, settings_{std::move(settings)} {}
    static constexpr std::size_t index_of(delivery::Lane lane) { return delivery::index_of(lane); }
    std::string lane_folder(delivery::Lane lane) const;
    FileResult<void> open_lane(delivery::Lane lane, const IsCovered& is_covered, std::vector<std::string>& notes);
    FileResult<std::unique_ptr<LaneFiles>> new_generation(delivery::Lane lane);
    FileResult<void> make_current(const LaneFiles& lane);
    FileResult<void> remove_other_generations(delivery::Lane lane);
    FileResult<void> remove_generation(const std::string& folder);
    FileResult<void> copy_to(LaneFiles& target, Slot& from_slot, Seq from, std::deque<Uncovered>& uncovered);
    FileResult<void> make_reserve();
    FileResult<bool> give_up_one();
    FileResult<bool> write(Slot& slot, std::int64_t now_us);

    FileSystem& files_;
    SpoolSettings settings_;
    std::unique_ptr<OpenFile> lock_;
    std::unique_ptr<OpenFile> reserve_;
    std::uint64_t reserved_bytes_ = 0;  // less than reserve_bytes() while the disk is too full even for that
    std::array<Slot, delivery::lane_count> lanes_;
    std::uint64_t given_up_entries_ = 0;
};

}  // namespace mimamori::agent::spool
