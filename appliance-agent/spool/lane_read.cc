// How a lane is read: H at any place, batches for the uplink, everything for a move.
#include <algorithm>

#include "appliance-agent/spool/lane.h"
#include "domain/delivery/chain.h"

namespace mimamori::agent::spool {
namespace {

constexpr std::size_t max_known = 64;

}  // namespace

std::size_t LaneFiles::index_of(Seq seq) const {
    const auto after = std::upper_bound(segments_.begin(), segments_.end(), seq,
                                        [](Seq wanted, const Segment& s) { return wanted < s.first; });
    return after == segments_.begin() ? 0 : static_cast<std::size_t>(after - segments_.begin()) - 1;
}

Hash128 LaneFiles::h_before(Seq seq) const {
    return find_h(seq).value_or(Hash128{});
}

std::optional<Hash128> LaneFiles::find_h(Seq seq) const {
    if (seq == durable_ + 1) {
        return h_after_durable_;
    }
    if (adopted_ && adopted_->first == seq) {
        return adopted_->second;
    }
    if (seq < first() || seq > durable_) {
        return std::nullopt;
    }
    for (const auto& [known, h] : known_) {
        if (known == seq) {
            return h;
        }
    }
    const auto at = index_of(seq);
    const auto& segment = segments_[at];
    std::optional<Hash128> h;
    if (seq == segment.first) {
        h = segment.h_before;
        if (!h && at > 0 && segments_[at - 1].next == seq) {
            h = walk(segments_[at - 1], seq);
        }
    } else if (seq <= segment.next) {
        h = walk(segment, seq);
    }
    if (h) {
        remember(seq, *h);
    }
    return h;
}

// H before `seq` from the digests of the segment that holds the entry before it.
std::optional<Hash128> LaneFiles::walk(const Segment& segment, Seq seq) const {
    if (segment.tombstone) {
        const auto tombstone = tombstone_from(read_whole(files_, segment_path(folder_, segment.first)).bytes, key_);
        if (!tombstone || !segment.h_before) {
            return std::nullopt;
        }
        const auto digests = digests_of(tombstone->digests);
        return delivery::chain_over(*segment.h_before, segment.first, std::span{digests}.first(seq - segment.first));
    }
    const auto found = frame_with(segment, seq - 1);
    if (!found) {
        return std::nullopt;
    }
    auto h = found->header.h_before;
    for (auto at = found->header.first; at < seq; ++at) {
        h = delivery::chain_next(h, at, found->entries[at - found->header.first].digest);
    }
    return h;
}

void LaneFiles::remember(Seq seq, const Hash128& h) const {
    known_.emplace_back(seq, h);
    if (known_.size() > max_known) {
        known_.pop_front();
    }
}

// The frame that holds `seq`, from the disk; empty if it, or a header before it, is not good.
std::optional<LaneFiles::Found> LaneFiles::frame_with(const Segment& segment, Seq seq) const {
    if (place_.segment != segment.first || !place_.file) {
        auto file = open_to_read(files_, segment_path(folder_, segment.first));
        if (!file) {
            return std::nullopt;
        }
        place_ = {segment.first, std::move(*file), segment_header_bytes};
    }
    for (bool from_start = place_.offset == segment_header_bytes;;) {
        const auto bytes = read_exactly(*place_.file, place_.offset, frame_header_bytes);
        const auto header = bytes ? frame_header_from(*bytes, key_) : std::nullopt;
        if ((!header || header->first > seq) && !from_start) {
            place_.offset = segment_header_bytes;
            from_start = true;
            continue;
        }
        if (!header || header->first > seq) {
            return std::nullopt;
        }
        if (seq >= header->first + header->count) {
            place_.offset += frame_header_bytes + header->body_bytes;
            from_start = true;  // it can only lie ahead
            continue;
        }
        const auto body = read_exactly(*place_.file, place_.offset + frame_header_bytes, header->body_bytes);
        if (!body || checksum(*body, key_) != header->body_sum) {
            return std::nullopt;
        }
        auto entries = entries_from(*body, header->count);
        return entries ? std::optional{Found{*header, std::move(*entries)}} : std::nullopt;
    }
}

FileResult<Piece> LaneFiles::read(Seq from, const ReadLimits& limits) {
    Piece piece;
    piece.first = from;
    piece.h_before = h_before(from);
    const auto at = index_of(from);
    if (from < segments_[at].next && segments_[at].tombstone) {
        const auto& segment = segments_[at];
        auto whole = tombstone_from(read_whole(files_, segment_path(folder_, segment.first)).bytes, key_);
        if (whole) {
            const auto begin = from - segment.first;
            const auto count =
                std::min<std::uint64_t>(segment.next - from, std::max<std::size_t>(limits.max_tombstone_entries, 1));
            piece.kind = Piece::Kind::tombstone;
            piece.last = from + count - 1;
            piece.tombstone = {whole->span, whole->digests.substr(begin * 16, count * 16),
                               whole->classes.substr(begin, count)};
            piece.tombstone.span.entries = static_cast<std::uint32_t>(count);
            piece.h_after = delivery::chain_over(piece.h_before, from, digests_of(piece.tombstone.digests));
            remember(piece.last + 1, piece.h_after);
            return piece;
        }
        segments_[at].next = from;
    }
    if (from < segments_[at].next) {
        take_entries(from, limits, piece);
    }
    if (!piece.entries.empty()) {
        piece.last = from + piece.entries.size() - 1;
        piece.h_after = piece.h_before;
        auto seq = from;
        for (const auto& entry : piece.entries) {
            piece.h_after = delivery::chain_next(piece.h_after, seq++, entry.digest);
        }
        remember(piece.last + 1, piece.h_after);
        return piece;
    }
    piece.kind = Piece::Kind::damaged;
    if (index_of(from) + 1 == segments_.size()) {  // its end is known as long as we run: close it there
        if (auto begun = begin_segment(durable_ + 1, h_after_durable_); !begun) {
            return tl::unexpected{begun.error()};
        }
    }
    auto next = index_of(from) + 1;
    while (!segments_[next].h_before) {
        ++next;  // the last one always has it
    }
    piece.last = segments_[next].first - 1;
    piece.h_after = *segments_[next].h_before;
    return piece;
}

// A run of entries across frames and segments. A bad frame ends its segment from now on.
void LaneFiles::take_entries(Seq from, const ReadLimits& limits, Piece& piece) {
    std::size_t bytes = 0;
    for (auto at = index_of(from); at < segments_.size() && !segments_[at].tombstone; ++at) {
        while (from < segments_[at].next) {
            auto found = frame_with(segments_[at], from);
            if (!found) {
                segments_[at].next = from;
                break;
            }
            for (auto i = from - found->header.first; i < found->entries.size(); ++i) {
                auto& entry = found->entries[i];
                bytes += entry.payload.size();
                const bool enough = piece.entries.size() >= std::max<std::size_t>(limits.max_entries, 1) ||
                                    bytes > limits.max_payload_bytes;
                if (enough && !piece.entries.empty()) {
                    return;
                }
                entry.position.clear();
                piece.entries.push_back(std::move(entry));
                ++from;
            }
        }
        if (at + 1 >= segments_.size() || segments_[at + 1].first != from) {
            return;
        }
    }
}

FileResult<void> LaneFiles::salvage(Seq from, const Sink& sink) const {
    for (const auto& segment : segments_) {
        const auto file = read_whole(files_, segment_path(folder_, segment.first));
        FileResult<void> given;
        if (auto tombstone = tombstone_from(file.bytes, key_)) {
            const auto skip = from > segment.first ? from - segment.first : 0;
            if (skip < tombstone->span.entries) {
                tombstone->digests.erase(0, skip * 16);
                tombstone->classes.erase(0, skip);
                tombstone->span.entries -= static_cast<std::uint32_t>(skip);
                given = sink.tombstone(segment.first + skip, *tombstone);
            }
        } else {
            scan_events(file, segment.first, key_, true, [&](const FrameHeader& frame, std::vector<Entry>&& entries) {
                const auto skip = std::min<std::uint64_t>(from > frame.first ? from - frame.first : 0, entries.size());
                entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(skip));
                if (given && !entries.empty()) {
                    given = sink.events(frame.first + skip, std::move(entries), frame.spooled_at_us);
                }
            });
        }
        if (!given) {
            return given;
        }
    }
    return {};
}

}  // namespace mimamori::agent::spool
