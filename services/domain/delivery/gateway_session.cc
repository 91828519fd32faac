#include "domain/delivery/gateway_session.h"

#include <algorithm>
#include <utility>

namespace mimamori::domain::delivery {

using namespace action;

namespace {

// A cursor only ever advances; closing is the last thing that happens to a stream.
bool is_newer(const Cursor& cursor, const Cursor& known) {
    return known.status == StreamStatus::open &&
           (cursor.next_seq > known.next_seq || cursor.status == StreamStatus::closed);
}

constexpr std::uint32_t frame_overhead =
    65'536;  // a frame's own fields, and what zstd adds to bytes it cannot compress

}  // namespace

Actions GatewaySession::on_hello(const std::vector<HelloLane>& lanes) {
    if (state_ != State::waiting_for_hello) {
        return {Refuse{"a second Hello on one connection"}};
    }
    for (const auto& lane : lanes) {
        auto& mine = lanes_[index_of(lane.lane)];
        if (mine.named) {
            return {Refuse{"Hello names a lane twice"}};
        }
        if (lane.first < 1 || lane.first > lane.last + 1) {
            return {Refuse{"Hello names an impossible range"}};
        }
        mine.named = true;
        mine.spool_id = lane.spool_id;
    }
    if (lanes.empty()) {
        return {Refuse{"Hello names no lane"}};
    }
    state_ = State::waiting_for_cursors;
    reading_ = true;
    return {ReadCursors{}};
}

Actions GatewaySession::on_cursors_read(const LaneCursors& cursors, const PartitionSnapshot& partition) {
    const bool was_reading = std::exchange(reading_, false);
    Actions out;
    if (state_ == State::waiting_for_cursors) {
        for (std::size_t i = 0; i < lane_count; ++i) {
            auto& lane = lanes_[i];
            if (!lane.named || !cursors[i]) {
                lane.cursor.reset();
                continue;
            }
            if (!lane.cursor || is_newer(*cursors[i], *lane.cursor)) {
                lane.cursor = cursors[i];
            }
            lane.expected = lane.cursor->next_seq;
        }
        state_ = State::open;
        return {SendHelloAck{}};
    }
    for (std::size_t i = 0; i < lane_count; ++i) {
        auto& lane = lanes_[i];
        if (!lane.named || !lane.cursor || !cursors[i]) {
            continue;
        }
        move_cursor(lane, static_cast<Lane>(i), *cursors[i], out);
        if (was_reading && lane.open() && lane.has_passed(reading_order_) && may_rewind(lane, partition)) {
            lane.rewound_at = partition.committed;
            lane.rewinding = true;
            lane.forget_unsettled();
            lane.expected = lane.cursor->next_seq;
            ++lane.run;
            out.push_back(SendRewind{static_cast<Lane>(i), lane.spool_id, lane.expected, lane.run});
        }
    }
    look_for_passed(partition, out);  // more may have been passed while the cursors were read
    return out;
}

std::optional<std::string_view> GatewaySession::envelope_error(const LaneState& lane, const Envelope& envelope) const {
    if (state_ != State::open) {
        return "a batch before HelloAck";
    }
    if (!lane.named || !lane.cursor) {
        return "a lane that Hello did not name";
    }
    if (envelope.spool_id != lane.spool_id) {
        return "a spool id that Hello did not name";
    }
    if (envelope.run > lane.run) {
        return "a run that nobody asked for";
    }
    if (envelope.first < 1 || envelope.last < envelope.first || envelope.last >= UINT64_MAX / 2) {
        return "an impossible range";
    }
    const Seq size = envelope.last - envelope.first + 1;
    if (envelope.kind == Envelope::Kind::entries && (envelope.count != size || size > limits_.max_batch_entries)) {
        return "a count that is not the range's or above the limit";
    }
    if (envelope.raw_bytes > limits_.max_batch_bytes ||
        envelope.wire_bytes > limits_.max_batch_bytes + frame_overhead) {
        return "a batch above the size limit";
    }
    if (envelope.run == lane.run && lane.open()) {
        // Batches of an earlier connection may have settled what this one has not sent; a damaged range travels whole.
        const bool ahead = envelope.first > std::max(lane.expected, lane.cursor->next_seq);
        const bool behind = envelope.first < lane.expected;
        const bool whole_range = envelope.kind == Envelope::Kind::tombstone && envelope.last >= lane.expected;
        if (ahead || (behind && !whole_range)) {
            return "a batch that does not follow the one before";
        }
    }
    return std::nullopt;
}

Actions GatewaySession::on_batch(const Envelope& envelope, std::uint64_t order, const PartitionSnapshot&) {
    auto& lane = lanes_[index_of(envelope.lane)];
    if (const auto error = envelope_error(lane, envelope)) {
        return {Refuse{*error}};
    }
    if (envelope.run < lane.run || lane.cursor->status == StreamStatus::closed) {
        return {Drop{}};
    }
    lane.rewinding = false;  // the agent answered with the new run
    lane.expected = envelope.last + 1;
    if (envelope.last < lane.cursor->next_seq) {
        return {Drop{}};  // settled since by batches of an earlier connection
    }
    const RecordTag tag = ++tags_;
    lane.unsettled.push_back({tag, envelope.last, envelope.wire_bytes, order});
    lane.unsettled_bytes += envelope.wire_bytes;
    return {Produce{tag}};
}

GatewaySession::Forwarded* GatewaySession::find(RecordTag tag, LaneState*& lane, Lane& which) {
    for (std::size_t i = 0; i < lane_count; ++i) {
        auto& unsettled = lanes_[i].unsettled;
        const auto at = std::lower_bound(unsettled.begin(), unsettled.end(), tag,
                                         [](const Forwarded& record, RecordTag wanted) { return record.tag < wanted; });
        if (at != unsettled.end() && at->tag == tag) {
            lane = &lanes_[i];
            which = static_cast<Lane>(i);
            return &*at;
        }
    }
    return nullptr;
}

Actions GatewaySession::on_delivered(RecordTag tag, std::int64_t, const PartitionSnapshot& partition) {
    LaneState* lane = nullptr;
    Lane which = Lane::normal;
    auto* record = find(tag, lane, which);
    if (record == nullptr) {
        return {};  // settled already, or of a run that was forgotten
    }
    Actions out{SendReceived{which, lane->run, record->last}};
    record->stage = Forwarded::Stage::landed;
    look_for_passed(partition, out);
    return out;
}

Actions GatewaySession::on_delivery_failed(RecordTag tag, const PartitionSnapshot& partition) {
    LaneState* lane = nullptr;
    Lane which = Lane::normal;
    auto* record = find(tag, lane, which);
    if (record == nullptr) {
        return {};
    }
    lane->failed += record->stage == Forwarded::Stage::failed ? 0U : 1U;
    record->stage = Forwarded::Stage::failed;
    Actions out;
    look_for_passed(partition, out);
    return out;
}

Actions GatewaySession::on_progress(Lane which, const SpoolId& spool_id, const Cursor& cursor) {
    auto& lane = lanes_[index_of(which)];
    Actions out;
    if (!lane.named || lane.spool_id != spool_id) {
        return out;
    }
    if (state_ == State::waiting_for_cursors) {  // may be newer than the read that is under way
        if (!lane.cursor || is_newer(cursor, *lane.cursor)) {
            lane.cursor = cursor;
        }
    } else if (lane.cursor) {
        move_cursor(lane, which, cursor, out);
    }
    return out;
}

Actions GatewaySession::on_partition(const PartitionSnapshot& partition) {
    Actions out;
    look_for_passed(partition, out);
    return out;
}

Actions GatewaySession::on_fork_request(Lane which, const SpoolId& spool_id) {
    auto& lane = lanes_[index_of(which)];
    if (state_ != State::open || !lane.named || lane.spool_id != spool_id) {
        return {Refuse{"a fork of a stream that Hello did not name"}};
    }
    return {CloseStream{which, spool_id}};
}

Actions GatewaySession::on_stream_closed(Lane which, const SpoolId& spool_id, const Cursor& cursor) {
    auto& lane = lanes_[index_of(which)];
    if (state_ != State::open || !lane.named || !lane.cursor || lane.spool_id != spool_id) {
        return {};
    }
    lane.cursor = cursor;
    drop_settled(lane);
    return {SendSettled{which, spool_id, cursor}};
}

void GatewaySession::move_cursor(LaneState& lane, Lane which, const Cursor& cursor, Actions& out) {
    if (!is_newer(cursor, *lane.cursor)) {
        return;
    }
    lane.cursor = cursor;
    drop_settled(lane);
    out.push_back(SendSettled{which, lane.spool_id, cursor});
}

void GatewaySession::drop_settled(LaneState& lane) {
    if (lane.cursor->status == StreamStatus::closed) {
        lane.forget_unsettled();
    }
    while (!lane.unsettled.empty() && lane.unsettled.front().last < lane.cursor->next_seq) {
        lane.unsettled_bytes -= lane.unsettled.front().bytes;
        lane.failed -= lane.unsettled.front().stage == Forwarded::Stage::failed ? 1U : 0U;
        lane.unsettled.pop_front();
    }
}

void GatewaySession::LaneState::forget_unsettled() {
    unsettled.clear();
    unsettled_bytes = 0;
    failed = 0;
}

bool GatewaySession::LaneState::has_passed(std::uint64_t passed_order) const {
    // Records of a lane are produced in order, so if any was passed, the first was.
    const bool first_passed = !unsettled.empty() && unsettled.front().stage == Forwarded::Stage::landed &&
                              unsettled.front().order <= passed_order;
    return failed > 0 || first_passed;
}

bool GatewaySession::may_rewind(const LaneState& lane, const PartitionSnapshot& partition) {
    return !lane.rewinding && lane.rewound_at != partition.committed;
}

void GatewaySession::look_for_passed(const PartitionSnapshot& partition, Actions& out) {
    if (state_ != State::open || reading_) {
        return;
    }
    const bool need = std::any_of(lanes_.begin(), lanes_.end(), [&](const LaneState& lane) {
        return lane.open() && may_rewind(lane, partition) && lane.has_passed(partition.passed_order);
    });
    if (need) {
        reading_ = true;
        reading_order_ = partition.passed_order;
        out.push_back(ReadCursors{});
    }
}

bool GatewaySession::wants_more() const {
    return std::none_of(lanes_.begin(), lanes_.end(), [&](const LaneState& lane) {
        // An agent that keeps to the limits does not come here: pushing back on one lane holds up the urgent one.
        return lane.unsettled_bytes >= limits_.max_unsettled_bytes_per_lane ||
               lane.unsettled.size() > limits_.max_unsettled_batches_per_lane;
    });
}

bool GatewaySession::has_unsettled() const {
    return std::any_of(lanes_.begin(), lanes_.end(), [](const LaneState& lane) { return !lane.unsettled.empty(); });
}

bool GatewaySession::has_passed(const PartitionSnapshot& partition) const {
    return std::any_of(lanes_.begin(), lanes_.end(),
                       [&](const LaneState& lane) { return lane.open() && lane.has_passed(partition.passed_order); });
}

std::uint64_t GatewaySession::unsettled_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& lane : lanes_) {
        sum += lane.unsettled_bytes;
    }
    return sum;
}

}  // namespace mimamori::domain::delivery
