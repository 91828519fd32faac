// How entries lie in the spool's files. A segment file is a header and frames, or a header and the body of a tombstone.
// All numbers are little-endian; every part carries an XXH3-64 seeded with the spool id, so that bytes of another file,
// another spool or a log line never pass for a part. Not the place of any decision.
//
//   segment:   header(96) frame frame ...
//   frame:     header(64) record record ...       what one commit wrote, synced before the next frame is begun
//   record:    payload size, kind, class, flags, position size, observed, d_n, [old spool id, old seq], position,
//   payload tombstone: header(96) digests(16 each) classes(1 each)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/delivery/types.h"

namespace mimamori::agent::spool {

namespace delivery = domain::delivery;
using delivery::EntryKind;
using delivery::Hash128;
using delivery::Seq;
using delivery::SpoolId;

// One entry as it is kept. `digest` is d_n, made once when the entry is added and moved unchanged.
struct Entry {
    EntryKind kind = EntryKind::event;
    std::uint8_t class_byte = 0;      // function in the low 4 bits, 0x10 urgent
    std::int64_t observed_at_us = 0;  // 0 if unknown
    Hash128 digest{};
    std::optional<delivery::SuspectOf> suspect;
    std::string position;  // opaque, at most 255 bytes: where its line stands
    std::string payload;
};
inline constexpr std::uint8_t urgent_class = 0x10;
inline constexpr std::size_t max_payload_bytes = 256U << 10U;
inline constexpr std::size_t max_position_bytes = 255;

// Which stream a file belongs to; the seed of its checksums.
struct StreamKey {
    delivery::Lane lane = delivery::Lane::normal;
    SpoolId spool_id{};
};

struct TombstoneSpan {
    std::uint32_t entries = 0;
    std::int64_t oldest_observed_us = 0;  // 0 if unknown
    std::int64_t newest_observed_us = 0;
};

struct SegmentHeader {
    Seq first = 1;
    Hash128 h_before{};  // H before `first`
    std::optional<TombstoneSpan> tombstone;
    std::uint64_t body_sum = 0;  // of a tombstone
};
inline constexpr std::size_t segment_header_bytes = 96;
std::string to_bytes(const SegmentHeader& header, const StreamKey& key);
std::optional<SegmentHeader> segment_header_from(std::string_view bytes, const StreamKey& key);

struct FrameHeader {
    std::uint32_t body_bytes = 0;
    std::uint32_t count = 0;
    Seq first = 1;
    Hash128 h_before{};
    std::int64_t spooled_at_us = 0;
    std::uint64_t body_sum = 0;
};
inline constexpr std::size_t frame_header_bytes = 64;
inline constexpr std::size_t max_frame_entries = 1024;
inline constexpr std::size_t max_frame_body_bytes = max_payload_bytes + (300U << 10U);
std::optional<FrameHeader> frame_header_from(std::string_view bytes, const StreamKey& key);

std::uint64_t checksum(std::string_view bytes, const StreamKey& key);
std::size_t record_bytes(const Entry& entry);

// Header and records of a frame.
std::string frame_of(std::span<const Entry> entries, Seq first, const Hash128& h_before, std::int64_t now_us,
                     const StreamKey& key);
// The records of a frame's body whose checksum was good; empty if they are not `count`.
std::optional<std::vector<Entry>> entries_from(std::string_view body, std::uint32_t count);

// Whole file of a tombstone. `digests` holds 16 bytes an entry, `classes` one.
std::string tombstone_of(SegmentHeader header, std::string_view digests, std::string_view classes,
                         const StreamKey& key);

}  // namespace mimamori::agent::spool
