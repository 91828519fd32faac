// One connected appliance, as its shard keeps it. Small: thousands of these live in a process. Private to the shard.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "gateway/shard.h"

namespace mimamori::gateway {

inline std::int64_t steady_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Shard::Session {
    std::shared_ptr<Stream> stream;
    Origin origin;
    std::int32_t partition = 0;
    delivery::GatewaySession machine;
    std::array<base::StreamId, delivery::lane_count> stream_ids{};
    std::array<delivery::Seq, delivery::lane_count> hello_last{};  // 0: noted in PostgreSQL, or nothing to note
    std::vector<std::string> lan_ranges;                           // until HelloAck
    base::Bytes16 id{};
    std::int64_t clock_offset_us = 0;
    std::int64_t heard_ms = 0;         // steady; a whole frame, or a part of one
    std::uint64_t heard_bytes = 0;     // what the stream had received by then
    std::int64_t finishing_ms = 0;     // steady; 0: not finishing
    std::uint64_t accounted = 0;       // bytes of ours in the common sum of unsettled bytes
    std::int64_t received_ms = 0;      // steady; since when what is on Kafka is not told
    std::int64_t told_ms = 0;          // steady; when watermarks were last told,
    std::uint64_t untold_bytes = 0;    // and what has come since, in bytes
    std::uint32_t untold_batches = 0;  // and in batches
    std::array<std::optional<delivery::action::SendReceived>, delivery::lane_count> received{};  // not told yet
    std::array<std::optional<delivery::action::SendSettled>, delivery::lane_count> settled{};    // not told yet
};

struct Shard::Partition {
    explicit Partition(const delivery::Generation& generation) : view{generation} {}
    delivery::PartitionView view;
    struct UnderWay {
        std::uint64_t stream_id;
        delivery::RecordTag tag;
    };
    std::unordered_map<std::uint64_t, UnderWay> under_way;  // by order; ticks are not in it
    std::unordered_set<std::uint64_t> unsettled;            // stream ids of sessions with something unsettled
    std::unordered_set<std::uint64_t> passed;               // of those, with something that the log has passed
    // Records that the log has not passed, in producing order, with their sessions: who is to be asked when it has. So a
    // step of the log costs what it passes, not what is connected.
    std::deque<std::pair<std::uint64_t, std::uint64_t>> ahead;
};

}  // namespace mimamori::gateway
