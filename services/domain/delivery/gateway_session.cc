#include "domain/delivery/gateway_session.h"

#include <algorithm>

namespace mimamori::domain::delivery {

using namespace action;

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
    reading_ = false;
    Actions out;
    if (state_ == State::waiting_for_cursors) {
        for (std::size_t i = 0; i < lane_count; ++i) {
            if (lanes_[i].named && cursors[i]) {
                lanes_[i].cursor = cursors[i];
                lanes_[i].expected = cursors[i]->next_seq;
            }
        }
        state_ = State::open;
        return {SendHelloAck{}};
    }
    for (std::size_t i = 0; i < lane_count; ++i) {
        auto& lane = lanes_[i];
        if (!lane.named || !cursors[i]) {
            continue;
        }
        move_cursor(lane, static_cast<Lane>(i), *cursors[i], out);
        const bool open = lane.cursor->status == StreamStatus::open;
        if (open && has_passed(lane, partition) && may_rewind(lane, partition)) {
            lane.rewound_at = partition.committed;
            lane.rewinding = true;
            lane.unsettled.clear();
            lane.unsettled_bytes = 0;
            lane.expected = lane.cursor->next_seq;
            ++lane.run;
            out.push_back(SendRewind{static_cast<Lane>(i), lane.spool_id, lane.expected, lane.run});
        }
    }
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
    if (envelope.raw_bytes > limits_.max_batch_bytes || envelope.wire_bytes > limits_.max_batch_bytes + 65'536) {
        return "a batch above the size limit";
    }
    if (envelope.run == lane.run && envelope.first != lane.expected) {
        return "a batch that does not follow the one before";
    }
    return std::nullopt;
}

Actions GatewaySession::on_batch(const Envelope& envelope, std::uint64_t order, const PartitionSnapshot& partition) {
    auto& lane = lanes_[index_of(envelope.lane)];
    if (const auto error = envelope_error(lane, envelope)) {
        return {Refuse{*error}};
    }
    if (envelope.run < lane.run || lane.cursor->status == StreamStatus::closed) {
        return {Drop{}};
    }
    lane.rewinding = false;  // the agent answered with the new run
    lane.expected = envelope.last + 1;
    const RecordTag tag = ++tags_;
    lane.unsettled.push_back({tag, envelope.first, envelope.last, envelope.wire_bytes, order, partition.committed.log_no});
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

Actions GatewaySession::on_delivered(RecordTag tag, std::int64_t offset, const PartitionSnapshot& partition) {
    LaneState* lane = nullptr;
    Lane which = Lane::normal;
    auto* record = find(tag, lane, which);
    if (record == nullptr) {
        return {};  // of a run that was forgotten
    }
    Actions out{SendReceived{which, lane->run, record->last}};
    record->stage = Forwarded::Stage::landed;
    record->offset = offset;
    drop_settled(*lane);
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
    record->stage = Forwarded::Stage::failed;
    drop_settled(*lane);
    Actions out;
    look_for_passed(partition, out);
    return out;
}

Actions GatewaySession::on_progress(Lane which, const SpoolId& spool_id, const Cursor& cursor) {
    auto& lane = lanes_[index_of(which)];
    Actions out;
    if (state_ == State::open && lane.named && lane.cursor && lane.spool_id == spool_id) {
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

void GatewaySession::move_cursor(LaneState& lane, Lane which, const Cursor& cursor, Actions& out) {
    // A cursor only ever advances; closing is the last thing that happens to a stream.
    const bool news = cursor.next_seq > lane.cursor->next_seq || cursor.status > lane.cursor->status;
    if (!news || lane.cursor->status == StreamStatus::closed) {
        return;
    }
    lane.cursor = cursor;
    drop_settled(lane);
    out.push_back(SendSettled{which, lane.spool_id, cursor});
}

void GatewaySession::drop_settled(LaneState& lane) {
    // A record stays until its delivery report came, so that a report is never mistaken for another's.
    std::erase_if(lane.unsettled, [&](const Forwarded& record) {
        const bool settled = record.last < lane.cursor->next_seq || lane.cursor->status == StreamStatus::closed;
        const bool gone = settled && record.stage != Forwarded::Stage::sent;
        lane.unsettled_bytes -= gone ? record.bytes : 0;
        return gone;
    });
}

bool GatewaySession::has_passed(const LaneState& lane, const PartitionSnapshot& partition) {
    // From the newest back: a record of ours that landed at a lower offset than an earlier one tells that the log began anew.
    std::int64_t least_later = INT64_MAX;
    for (auto record = lane.unsettled.rbegin(); record != lane.unsettled.rend(); ++record) {
        const bool settled = record->last < lane.cursor->next_seq || lane.cursor->status == StreamStatus::closed;
        if (record->stage == Forwarded::Stage::landed) {
            const bool above_later_tick = partition.landed_order > record->order && partition.landed_offset < partition.committed.next_offset;
            const bool passed = record->offset < partition.committed.next_offset || least_later < partition.committed.next_offset ||
                                above_later_tick || record->log_no != partition.committed.log_no;
            if (passed && !settled) {
                return true;
            }
            least_later = std::min(least_later, record->offset);
        } else if (record->stage == Forwarded::Stage::failed && !settled) {
            return true;
        }
    }
    return false;
}

bool GatewaySession::may_rewind(const LaneState& lane, const PartitionSnapshot& partition) {
    return !lane.rewinding && lane.rewound_at != partition.committed;
}

void GatewaySession::look_for_passed(const PartitionSnapshot& partition, Actions& out) {
    if (state_ != State::open || reading_) {
        return;
    }
    const bool need = std::any_of(lanes_.begin(), lanes_.end(), [&](const LaneState& lane) {
        return lane.named && lane.cursor && lane.cursor->status == StreamStatus::open && may_rewind(lane, partition) &&
               has_passed(lane, partition);
    });
    if (need) {
        reading_ = true;
        out.push_back(ReadCursors{});
    }
}

bool GatewaySession::wants_more() const {
    return std::none_of(lanes_.begin(), lanes_.end(), [&](const LaneState& lane) {
        return lane.unsettled_bytes >= limits_.max_unsettled_bytes_per_lane ||
               lane.unsettled.size() >= limits_.max_unsettled_batches_per_lane;
    });
}

bool GatewaySession::has_unsettled() const {
    return std::any_of(lanes_.begin(), lanes_.end(), [](const LaneState& lane) { return !lane.unsettled.empty(); });
}

std::uint64_t GatewaySession::unsettled_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& lane : lanes_) {
        sum += lane.unsettled_bytes;
    }
    return sum;
}

}  // namespace mimamori::domain::delivery
