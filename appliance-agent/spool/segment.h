// One file of a lane: made, read as a whole, or looked into frame by frame. What a bad part means is the lane's
// business.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance-agent/spool/filesystem.h"
#include "appliance-agent/spool/format.h"

namespace mimamori::agent::spool {

// What a lane remembers of a file. Entries first..next-1 can be read; what lies between `next` and the first of the
// segment after it cannot.
struct Segment {
    Seq first = 1;
    Seq next = 1;
    std::optional<Hash128> h_before;  // empty if the header could not be read
    bool tombstone = false;
    std::uint64_t bytes = 0;
    std::int64_t spooled_at_us = 0;  // of its oldest entry; 0 if it has none
};

std::string segment_path(const std::string& folder, Seq first);
std::optional<Seq> segment_first(const std::string& name);  // of a file's name; empty if it is no segment

// Writes a whole file under a name of its own, syncs it, renames it to `path` and syncs the folder. No space: the file is
// certainly not there. Broken: it may be.
FileResult<void> write_whole(FileSystem& files, const std::string& folder, const std::string& path,
                             std::string_view bytes);

// A passing error of the disk must not pass for damage: both are tried three times.
FileResult<std::unique_ptr<OpenFile>> open_to_read(FileSystem& files, const std::string& path);
std::optional<std::string> read_exactly(OpenFile& file, std::uint64_t offset, std::size_t size);

struct Whole {
    std::string bytes;
    bool readable = true;  // false: what follows `bytes` could not be read
};
Whole read_whole(FileSystem& files, const std::string& path);

struct Scan {
    Segment segment;
    Hash128 h_after{};             // H after the last entry that can be read; h_before if there is none
    std::uint64_t end = 0;         // where that entry's frame ends
    std::uint64_t last_frame = 0;  // where it begins; 0 if there is none
    bool torn = false;             // bytes after `end` that were never synced
    bool damaged = false;          // bytes after `end` that must have been synced once
};
using FrameSink = std::function<void(const FrameHeader& frame, std::vector<Entry>&& entries)>;

// Reads the events of a segment's file in order. A part that is not good ends it, unless `salvage`: then frames after
// the bad part go to `sink` too. A bad part with a good frame after it was synced once: a frame is begun only after the
// one before was synced.
Scan scan_events(const Whole& file, Seq first, const StreamKey& key, bool salvage, const FrameSink& sink);

struct Tombstone {
    TombstoneSpan span;
    std::string digests;  // 16 bytes an entry
    std::string classes;  // one byte an entry
};
// Empty if the file is no good tombstone.
std::optional<Tombstone> tombstone_from(std::string_view bytes, const StreamKey& key);

std::vector<Hash128> digests_of(std::string_view bytes);

}  // namespace mimamori::agent::spool
