#include "appliance-agent/uplink/frames.h"

#include <zstd.h>

#include <cstring>
#include <memory>
#include <utility>

namespace mimamori::agent::uplink {
namespace {

constexpr int compression_level = 1;  // the appliance's processor is small and its lines repeat themselves anyway
constexpr std::size_t worth_packing = 512;  // one or two entries: some 8 % less bytes for most of the time a batch takes

void pack(const pb::EntryList& list, pb::PackedEntries& out) {
    const auto raw = list.SerializeAsString();
    out.set_raw_size(static_cast<std::uint32_t>(raw.size()));
    out.set_count(static_cast<std::uint32_t>(list.entries_size()));
    if (raw.size() < worth_packing) {
        out.set_data(raw);
        return;
    }
    std::string packed(ZSTD_compressBound(raw.size()), '\0');
    // Kept: zstd asks the processor for its features whenever it makes one, which on a virtual machine is a trap.
    thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context{ZSTD_createCCtx(), &ZSTD_freeCCtx};
    const auto size =
        ZSTD_compressCCtx(context.get(), packed.data(), packed.size(), raw.data(), raw.size(), compression_level);
    if (ZSTD_isError(size) == 0 && size < raw.size()) {
        packed.resize(size);
        out.set_data(std::move(packed));
        out.set_zstd(true);
    } else {
        out.set_data(raw);
    }
}

void state_lost(const spool::Entry& entry, pb::Tombstone& out) {
    out.set_oldest_observed_us(entry.observed_at_us);
    out.set_newest_observed_us(entry.observed_at_us);
    out.set_digests(bytes_of(entry.digest));
    out.set_classes(std::string(1, static_cast<char>(entry.class_byte)));
}

}  // namespace

std::string bytes_of(const std::array<std::uint8_t, 16>& value) {
    return {reinterpret_cast<const char*>(value.data()), value.size()};
}

BuiltBatch batch_of(const delivery::Send& send, const delivery::SpoolId& spool_id, spool::Piece&& piece,
                    std::size_t max_raw_bytes) {
    BuiltBatch out;
    out.last = piece.last;
    auto& batch = *out.frame.mutable_batch();
    batch.set_lane(static_cast<pb::Lane>(send.lane));
    batch.set_spool_id(bytes_of(spool_id));
    batch.set_run(send.run);
    batch.set_first(send.from);
    batch.set_h_before(bytes_of(send.h));
    if (piece.kind == spool::Piece::Kind::entries) {
        pb::EntryList list;
        for (auto& entry : piece.entries) {
            pb::Entry one;
            one.set_kind(static_cast<std::uint32_t>(entry.kind));
            if (entry.suspect) {
                one.mutable_suspect()->set_old_spool_id(bytes_of(entry.suspect->spool_id));
                one.mutable_suspect()->set_old_seq(entry.suspect->seq);
            }
            one.set_payload(std::move(entry.payload));
            const auto size = one.ByteSizeLong() + 6;  // its tag and length in the list
            if (out.raw_bytes + size > max_raw_bytes) {
                break;
            }
            out.raw_bytes += size;
            *list.add_entries() = std::move(one);
        }
        if (list.entries_size() == 0) {
            out.last = send.from;
            state_lost(piece.entries.front(), *batch.mutable_tombstone());
        } else {
            out.last = send.from + static_cast<delivery::Seq>(list.entries_size()) - 1;
            pack(list, *batch.mutable_entries());
        }
    } else {
        auto& tombstone = *batch.mutable_tombstone();
        if (piece.kind == spool::Piece::Kind::damaged) {
            tombstone.set_damaged(true);
            tombstone.set_h_after(bytes_of(piece.h_after));
        } else {
            tombstone.set_oldest_observed_us(piece.tombstone.span.oldest_observed_us);
            tombstone.set_newest_observed_us(piece.tombstone.span.newest_observed_us);
            tombstone.set_digests(std::move(piece.tombstone.digests));
            tombstone.set_classes(std::move(piece.tombstone.classes));
            out.raw_bytes = tombstone.digests().size() + tombstone.classes().size();
        }
    }
    batch.set_last(out.last);
    return out;
}

pb::AgentFrame gone_of(const delivery::Send& send, const delivery::SpoolId& spool_id) {
    pb::AgentFrame frame;
    auto& gone = *frame.mutable_gone();
    gone.set_lane(static_cast<pb::Lane>(send.lane));
    gone.set_spool_id(bytes_of(spool_id));
    gone.set_run(send.run);
    gone.set_first(send.from);
    gone.set_last(send.gone_last);
    gone.set_h_last(bytes_of(send.h));
    return frame;
}

pb::AgentFrame fork_of(delivery::Lane lane, const delivery::SpoolId& spool_id) {
    pb::AgentFrame frame;
    frame.mutable_fork()->set_lane(static_cast<pb::Lane>(lane));
    frame.mutable_fork()->set_spool_id(bytes_of(spool_id));
    return frame;
}

std::optional<delivery::Lane> lane_of(int number) {
    if (number < 0 || number >= static_cast<int>(delivery::lane_count)) {
        return std::nullopt;
    }
    return static_cast<delivery::Lane>(number);
}

std::optional<delivery::SpoolId> bytes16_of(const std::string& bytes) {
    delivery::SpoolId out;
    if (bytes.size() != out.size()) {
        return std::nullopt;
    }
    std::memcpy(out.data(), bytes.data(), out.size());
    return out;
}

std::optional<delivery::LaneCursor> cursor_of(const pb::Settled& settled) {
    const auto lane = lane_of(settled.lane());
    const auto spool_id = bytes16_of(settled.spool_id());
    const auto h = bytes16_of(settled.h());
    if (!lane || !spool_id || !h || settled.next_seq() == 0) {
        return std::nullopt;
    }
    const auto status =
        settled.status() == pb::STREAM_STATUS_CLOSED ? delivery::StreamStatus::closed : delivery::StreamStatus::open;
    return delivery::LaneCursor{*lane, *spool_id, {settled.next_seq(), *h, status}};
}

}  // namespace mimamori::agent::uplink
