// One lane of the spool: numbered entries of one stream in segment files, oldest first, the last one open for writing.
// It knows H at any place that can still be read. Not the place of what is common to all lanes: the group commit, the
// size of the whole, moving to a new spool id (spool.h).
//
//   append:  begin a segment if the last is full; write one frame; sync; only then is it numbered for others to see
//   read:    a run of entries, a piece of a tombstone, or a range that cannot be read
//   free:    unlink segments that are settled, oldest first, each for good before the next: a missing file is never a
//   freed one give up: an old segment becomes a tombstone under its own name
//
// A part of a segment that cannot be read ends it; the range up to the next segment is `damaged`, with the next one's
// H.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appliance-agent/spool/segment.h"
#include "domain/delivery/agent_link.h"

namespace mimamori::agent::spool {

// What lies at a place of a lane: all entries, or one tombstone range, or one damaged range.
struct Piece {
    enum class Kind { entries, tombstone, damaged };
    Kind kind = Kind::entries;
    Seq first = 1, last = 0;
    Hash128 h_before{}, h_after{};
    std::vector<Entry> entries;  // without positions
    Tombstone tombstone;
};

struct ReadLimits {
    std::size_t max_entries = 200;
    std::size_t max_payload_bytes = 128U << 10U;  // a single entry may be larger
    std::size_t max_tombstone_entries = 8192;
};

struct LaneLimits {
    std::size_t segment_bytes = 256U << 10U;  // a new one is begun when a frame would lead beyond
    std::size_t segment_entries = 8192;       // so that a tombstone's size is bounded
};

class LaneFiles final : public delivery::SpoolView {
  public:
    // A new stream in an empty folder.
    static FileResult<std::unique_ptr<LaneFiles>> create(FileSystem& files, std::string folder, StreamKey key,
                                                         LaneLimits limits);

    // Called at opening with every entry that can be read.
    using Visit = std::function<void(Seq seq, const Entry& entry)>;
    struct Opened {
        std::unique_ptr<LaneFiles> lane;
        bool bad_end = false;            // what was assigned last is not known: only to be moved to a new spool id
        std::vector<std::string> notes;  // for the operator
    };
    static FileResult<Opened> open(FileSystem& files, std::string folder, StreamKey key, LaneLimits limits,
                                   const Visit& visit);

    SpoolId spool_id() const override { return key_.spool_id; }
    Seq first() const override { return segments_.front().first; }
    Seq last_durable() const override { return durable_; }
    Hash128 h_before(Seq seq) const override;  // zeros where it is not known; see can_tell
    bool can_tell(Seq seq) const { return find_h(seq).has_value(); }
    // Takes the gateway's word for H where our own cannot be read any more.
    void adopt(Seq seq, const Hash128& h) { adopted_ = {seq, h}; }

    // The bytes that append would add to the disk.
    std::size_t cost(std::span<const Entry> entries) const;
    // Writes the entries as one frame: at most max_frame_entries. They count once sync succeeded.
    FileResult<void> append(std::span<const Entry> entries, std::int64_t now_us);
    FileResult<void> sync();
    // A tombstone as the newest entries; at most limits.segment_entries. For a lane that is being made.
    FileResult<void> append_tombstone(const Tombstone& tombstone);

    // `from` is in first()..last_durable(). Fails only if the disk is full or broken at a damaged end.
    FileResult<Piece> read(Seq from, const ReadLimits& limits);
    // Everything that can be read from `from` on, good frames after bad parts too, without regard for H.
    struct Sink {
        std::function<FileResult<void>(Seq first, std::vector<Entry>&& entries, std::int64_t spooled_at_us)> events;
        std::function<FileResult<void>(Seq first, const Tombstone& tombstone)> tombstone;
    };
    FileResult<void> salvage(Seq from, const Sink& sink) const;

    // Unlinks segments whose entries are all before `before`.
    FileResult<void> free(Seq before);

    // The oldest segment of events whose entries are all at most `upto`; the one being written is closed for this, if
    // need be.
    FileResult<std::optional<Seq>> oldest_before(Seq upto);
    // The file that would take the place of that segment.
    std::string tombstone_for(Seq first);
    // It has been renamed over the segment's file.
    void given_up(Seq first, std::uint64_t tombstone_bytes);

    std::uint64_t bytes() const;
    std::int64_t oldest_spooled_us(Seq from) const;  // of the segment that holds `from`; 0 if unknown or empty
    const std::string& folder() const { return folder_; }
    const StreamKey& key() const { return key_; }

  private:
    struct Written {  // but not synced
        Seq last;
        Hash128 h;
        std::uint64_t end;
        std::int64_t at_us;
    };
    struct Place {  // of a frame, so that reading on does not begin at the segment's first
        Seq segment = 0;
        std::shared_ptr<OpenFile> file;
        std::uint64_t offset = 0;
    };
    struct Found {
        FrameHeader header;
        std::vector<Entry> entries;
    };
    LaneFiles(FileSystem& files, std::string folder, StreamKey key, LaneLimits limits);
    FileResult<void> begin_segment(Seq first, const Hash128& h_before);
    FileResult<void> open_active();
    std::size_t index_of(Seq seq) const;  // of the last segment that begins at or before `seq`
    std::optional<Hash128> find_h(Seq seq) const;
    std::optional<Hash128> walk(const Segment& segment, Seq seq) const;
    std::optional<Found> frame_with(const Segment& segment, Seq seq) const;
    void take_entries(Seq from, const ReadLimits& limits, Piece& piece);
    void remember(Seq seq, const Hash128& h) const;

    FileSystem& files_;
    std::string folder_;
    StreamKey key_;
    LaneLimits limits_;
    std::deque<Segment> segments_;  // never empty once open; the last is being written
    std::unique_ptr<OpenFile> active_;
    std::uint64_t active_end_ = 0;
    Seq durable_ = 0;
    Hash128 h_after_durable_{};
    std::optional<Written> written_;
    std::optional<std::pair<Seq, Hash128>> adopted_;
    mutable std::deque<std::pair<Seq, Hash128>> known_;  // places where H was asked for lately
    mutable Place place_;
};

}  // namespace mimamori::agent::spool
