#include "gateway/wire.h"

#include <cstring>

namespace mimamori::gateway {
namespace {

bool take16(std::string_view bytes, std::array<std::uint8_t, 16>& out) {
    if (bytes.size() != out.size()) {
        return false;
    }
    std::memcpy(out.data(), bytes.data(), out.size());
    return true;
}

// Open enumerations: a number from the wire may be any.
bool take_lane(int number, delivery::Lane& out) {
    if (number < 0 || number >= static_cast<int>(delivery::lane_count)) {
        return false;
    }
    out = static_cast<delivery::Lane>(number);
    return true;
}

constexpr Malformed no_lane{"no such lane"};
constexpr Malformed bad_spool{"a spool id is not of 16 bytes"};
constexpr Malformed bad_hash{"a hash is not of 16 bytes"};

}  // namespace

Parsed<std::vector<delivery::HelloLane>> lanes_of(const pb::Hello& hello) {
    if (hello.lanes_size() > static_cast<int>(delivery::lane_count)) {
        return Malformed{"Hello names too many lanes"};
    }
    if (hello.agent_version().size() > 100 || hello.firmware_version().size() > 100 || hello.appliance_model().size() > 100) {
        return Malformed{"Hello has a version or model of more than 100 bytes"};
    }
    std::vector<delivery::HelloLane> lanes;
    for (const auto& state : hello.lanes()) {
        auto& lane = lanes.emplace_back();
        if (!take_lane(state.lane(), lane.lane)) {
            return no_lane;
        }
        if (!take16(state.spool_id(), lane.spool_id)) {
            return bad_spool;
        }
        if (state.last() >= UINT64_MAX / 2) {
            return Malformed{"Hello names an impossible range"};
        }
        lane.first = state.first();
        lane.last = state.last();
    }
    return lanes;
}

Parsed<delivery::Envelope> envelope_of(const pb::Batch& batch) {
    delivery::Envelope out;
    if (!take_lane(batch.lane(), out.lane)) {
        return no_lane;
    }
    if (!take16(batch.spool_id(), out.spool_id)) {
        return bad_spool;
    }
    if (batch.h_before().size() != 16) {
        return bad_hash;
    }
    out.run = batch.run();
    out.first = batch.first();
    out.last = batch.last();
    out.wire_bytes = batch.ByteSizeLong();
    const auto size = batch.last() - batch.first() + 1;  // wraps where the range is impossible; the session refuses that
    switch (batch.body_case()) {
        case pb::Batch::kEntries:
            out.kind = delivery::Envelope::Kind::entries;
            out.count = batch.entries().count();
            out.raw_bytes = batch.entries().raw_size();
            if (!batch.entries().zstd() && batch.entries().data().size() != batch.entries().raw_size()) {
                return Malformed{"a declared size that is not the data's"};
            }
            return out;
        case pb::Batch::kTombstone: {
            out.kind = delivery::Envelope::Kind::tombstone;
            const auto& tombstone = batch.tombstone();
            const bool damaged = tombstone.digests().empty();
            if (!damaged && (tombstone.digests().size() % 16 != 0 || tombstone.digests().size() / 16 != size)) {
                return Malformed{"a tombstone without a digest for each entry"};
            }
            if (!tombstone.classes().empty() && tombstone.classes().size() != size) {
                return Malformed{"a tombstone without a class for each entry"};
            }
            if (damaged && tombstone.h_after().size() != 16) {
                return Malformed{"a tombstone with neither digests nor the hash after it"};
            }
            return out;
        }
        case pb::Batch::BODY_NOT_SET:
            break;
    }
    return Malformed{"a batch without entries"};
}

Parsed<delivery::Envelope> envelope_of(const pb::Gone& gone) {
    delivery::Envelope out;
    if (!take_lane(gone.lane(), out.lane)) {
        return no_lane;
    }
    if (!take16(gone.spool_id(), out.spool_id)) {
        return bad_spool;
    }
    if (gone.h_last().size() != 16) {
        return bad_hash;
    }
    out.kind = delivery::Envelope::Kind::gone;
    out.run = gone.run();
    out.first = gone.first();
    out.last = gone.last();
    out.wire_bytes = gone.ByteSizeLong();
    return out;
}

Parsed<Fork> fork_of(const pb::ForkRequest& request) {
    Fork out{};
    if (!take_lane(request.lane(), out.lane)) {
        return no_lane;
    }
    if (!take16(request.spool_id(), out.spool_id)) {
        return bad_spool;
    }
    return out;
}

Parsed<ProgressRecord> progress_of(std::string_view record) {
    pb::Progress progress;
    if (!progress.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
        return Malformed{"not a Progress message"};
    }
    ProgressRecord out{{}, progress.partition(), {progress.log_no(), progress.next_offset()}, {}};
    if (!take16(progress.generation(), out.generation)) {
        return Malformed{"the generation is not of 16 bytes"};
    }
    out.streams.reserve(static_cast<std::size_t>(progress.streams_size()));
    for (const auto& stream : progress.streams()) {
        ProgressRecord::Stream one{};
        one.rental_id = stream.rental_id();
        const auto& cursor = stream.cursor();
        if (!take_lane(cursor.lane(), one.lane) || !take16(cursor.spool_id(), one.spool_id) ||
            !take16(cursor.h(), one.cursor.h)) {
            return Malformed{"a cursor with a malformed lane, spool id or hash"};
        }
        one.cursor.next_seq = cursor.next_seq();
        one.cursor.status = cursor.status() == pb::STREAM_STATUS_CLOSED ? delivery::StreamStatus::closed
                                                                        : delivery::StreamStatus::open;
        out.streams.push_back(one);
    }
    return out;
}

std::string bytes_of(const std::array<std::uint8_t, 16>& value) {
    return {reinterpret_cast<const char*>(value.data()), value.size()};
}

pb::Settled settled_of(delivery::Lane lane, const delivery::SpoolId& spool_id, const delivery::Cursor& cursor) {
    pb::Settled out;
    out.set_lane(static_cast<pb::Lane>(lane));
    out.set_spool_id(bytes_of(spool_id));
    out.set_next_seq(cursor.next_seq);
    out.set_h(bytes_of(cursor.h));
    out.set_status(static_cast<pb::StreamStatus>(cursor.status));
    return out;
}

}  // namespace mimamori::gateway
