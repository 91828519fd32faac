// The words of the delivery protocol as types. The promise: what the agent has spooled is stored exactly once, or its
// loss is stated exactly. Pure values; the rules are in agent_link.h, gateway_session.h and applier.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"

namespace mimamori::domain::delivery {

// Lanes let a serious detection overtake its own backlog. Numbers are those of the wire and of the database.
enum class Lane : std::uint8_t { urgent = 0, normal = 1, rollup = 2 };
inline constexpr std::size_t lane_count = 3;
inline constexpr std::array<std::string_view, lane_count> lane_names{"urgent", "normal", "rollup"};
constexpr std::size_t index_of(Lane lane) {
    return static_cast<std::size_t>(lane);
}
constexpr std::string_view name_of(Lane lane) {
    return lane_names[index_of(lane)];
}

using Seq = std::uint64_t;                        // of an entry in its stream; the first is 1
using SpoolId = std::array<std::uint8_t, 16>;     // random, one per lane of a spool's life
using Hash128 = std::array<std::uint8_t, 16>;     // XXH3-128, canonical big-endian bytes
using Generation = std::array<std::uint8_t, 16>;  // of the database: a restored backup has another

// What an entry's payload is (mimamori.detection.v1). Tombstones and gone ranges are no entries: they stand for some.
enum class EntryKind : std::uint8_t { event = 1, rejected = 2, block = 3 };

enum class StreamStatus : std::uint8_t { open = 0, closed = 1 };

// Where a stream stands in the database: everything before next_seq is accounted for, and H is that of the entry
// before.
struct Cursor {
    Seq next_seq = 1;
    Hash128 h{};  // H before next_seq
    StreamStatus status = StreamStatus::open;
    friend bool operator==(const Cursor&, const Cursor&) = default;
};

// How far the log of one partition is read. log_no rises when the log was lost and is read from its beginning again.
struct LogPosition {
    std::uint64_t log_no = 0;
    std::int64_t next_offset = 0;
    friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

// How many unsettled batches a lane of a connection may hold: the agent sends no more, the gateway reads no more.
inline constexpr std::uint32_t unsettled_batches_per_lane = 1024;

// Where an entry stood before its spool was forked.
struct SuspectOf {
    SpoolId spool_id{};
    Seq seq = 0;
};

}  // namespace mimamori::domain::delivery
