#include "appliance-agent/spool/lane.h"

#include <algorithm>

#include <fmt/format.h>

#include "domain/delivery/chain.h"

namespace mimamori::agent::spool {
namespace {

void add_to_span(TombstoneSpan& span, std::int64_t observed_at_us) {
    if (observed_at_us != 0) {
        span.oldest_observed_us =
            span.oldest_observed_us == 0 ? observed_at_us : std::min(span.oldest_observed_us, observed_at_us);
        span.newest_observed_us = std::max(span.newest_observed_us, observed_at_us);
    }
}

}  // namespace

LaneFiles::LaneFiles(FileSystem& files, std::string folder, StreamKey key, LaneLimits limits)
    : files_{files}, folder_{std::move(folder)}, key_{key}, limits_{limits} {}

FileResult<std::unique_ptr<LaneFiles>> LaneFiles::create(FileSystem& files, std::string folder, StreamKey key,
                                                         LaneLimits limits) {
    std::unique_ptr<LaneFiles> lane{new LaneFiles{files, std::move(folder), key, limits}};
    lane->h_after_durable_ = delivery::chain_origin(key.lane, key.spool_id);
    if (auto begun = lane->begin_segment(1, lane->h_after_durable_); !begun) {
        return tl::unexpected{begun.error()};
    }
    return lane;
}

FileResult<LaneFiles::Opened> LaneFiles::open(FileSystem& files, std::string folder, StreamKey key, LaneLimits limits,
                                              const Visit& visit) {
    Opened out;
    out.lane.reset(new LaneFiles{files, std::move(folder), key, limits});
    auto& lane = *out.lane;
    auto names = files.list(lane.folder_);
    if (!names) {
        return tl::unexpected{names.error()};
    }
    Scan last;
    for (const auto& name : *names) {
        const auto first = segment_first(name);
        if (!first) {
            (void)files.unlink(lane.folder_ + "/" + name);  // half made, never of use
            continue;
        }
        const auto path = segment_path(lane.folder_, *first);
        const auto file = read_whole(files, path);
        if (const auto tombstone = tombstone_from(file.bytes, key)) {
            last = {};
            last.damaged = true;  // a tombstone is never the last
            last.segment = {*first,
                            *first + tombstone->span.entries,
                            segment_header_from(file.bytes, key)->h_before,
                            true,
                            file.bytes.size(),
                            0};
        } else {
            const bool is_last = name == names->back();
            last = scan_events(file, *first, key, is_last, [&](const FrameHeader& frame, std::vector<Entry>&& entries) {
                auto seq = frame.first;
                for (const auto& entry : entries) {
                    visit(seq++, entry);
                }
            });
        }
        if (!lane.segments_.empty() && lane.segments_.back().next < *first) {
            out.notes.push_back(fmt::format("{}: entries {} to {} cannot be read", lane.folder_,
                                            lane.segments_.back().next, *first - 1));
        }
        lane.segments_.push_back(last.segment);
    }
    // Without H before it the oldest segment is of no use: what it held is stated as gone.
    while (lane.segments_.size() > 1 && !lane.segments_.front().h_before) {
        out.notes.push_back(fmt::format("{}: entries {} to {} cannot be read", lane.folder_, lane.segments_[0].first,
                                        lane.segments_[1].first - 1));
        const auto path = segment_path(lane.folder_, lane.segments_.front().first);
        if (auto gone = files.unlink(path).and_then([&] { return files.sync_folder(lane.folder_); }); !gone) {
            return tl::unexpected{gone.error()};
        }
        lane.segments_.pop_front();
    }
    if (lane.segments_.empty() || last.damaged) {
        out.notes.push_back(fmt::format("{}: its last segment is missing or damaged", lane.folder_));
        out.bad_end = true;
        lane.durable_ = lane.segments_.empty() ? 0 : lane.segments_.back().next - 1;
        return out;
    }
    lane.durable_ = last.segment.next - 1;
    lane.h_after_durable_ = last.h_after;
    lane.active_end_ = last.end;
    if (auto ready = lane.open_active(); !ready) {
        return tl::unexpected{ready.error()};
    }
    // An earlier process may have died because a sync failed: what it left may be in memory alone. The last frame is
    // written and synced once more, and what follows it was never synced.
    auto& file = *lane.active_;
    const auto from = last.last_frame;
    const auto frame = read_exactly(file, from, last.end - from);
    if (!frame) {
        return tl::unexpected{
            FileError{FileError::Kind::broken, "cannot read the last frame again in " + lane.folder_}};
    }
    auto safe = file.truncate(last.end)
                    .and_then([&] { return file.write(from, *frame); })
                    .and_then([&] { return file.sync(); })
                    .and_then([&] { return files.sync_folder(lane.folder_); });
    if (!safe) {
        return tl::unexpected{safe.error()};
    }
    lane.segments_.back().bytes = last.end;
    if (last.torn) {
        out.notes.push_back(fmt::format("{}: cut what was not synced after entry {}", lane.folder_, lane.durable_));
    }
    return out;
}

FileResult<void> LaneFiles::open_active() {
    auto file = files_.open(segment_path(folder_, segments_.back().first), OpenMode::update);
    if (!file) {
        return tl::unexpected{file.error()};
    }
    active_ = std::move(*file);
    return {};
}

FileResult<void> LaneFiles::begin_segment(Seq first, const Hash128& h_before) {
    const auto header = to_bytes(SegmentHeader{.first = first, .h_before = h_before, .tombstone = std::nullopt}, key_);
    if (auto made = write_whole(files_, folder_, segment_path(folder_, first), header); !made) {
        return made;
    }
    segments_.push_back({first, first, h_before, false, header.size(), 0});
    active_end_ = header.size();
    return open_active();
}

std::size_t LaneFiles::cost(std::span<const Entry> entries) const {
    std::size_t size = frame_header_bytes + segment_header_bytes;
    for (const auto& entry : entries) {
        size += record_bytes(entry);
    }
    return size;
}

FileResult<void> LaneFiles::append(std::span<const Entry> entries, std::int64_t now_us) {
    const auto& active = segments_.back();
    const bool is_empty = active.first > durable_;
    const bool is_full = active_end_ + cost(entries) > limits_.segment_bytes ||
                         active.next - active.first + entries.size() > limits_.segment_entries;
    if (is_full && !is_empty) {
        if (auto begun = begin_segment(durable_ + 1, h_after_durable_); !begun) {
            return begun;
        }
    }
    const auto frame = frame_of(entries, durable_ + 1, h_after_durable_, now_us, key_);
    if (auto put = active_->write(active_end_, frame); !put) {
        (void)active_->truncate(active_end_);  // what was written of it takes room; it is overwritten in any case
        return put;
    }
    auto h = h_after_durable_;
    auto seq = durable_;
    for (const auto& entry : entries) {
        h = delivery::chain_next(h, ++seq, entry.digest);
    }
    written_ = Written{seq, h, active_end_ + frame.size(), now_us};
    return {};
}

FileResult<void> LaneFiles::sync() {
    if (!written_) {
        return {};
    }
    if (auto synced = active_->sync(); !synced) {
        return synced;
    }
    auto& active = segments_.back();
    if (active.next == active.first) {
        active.spooled_at_us = written_->at_us;
    }
    durable_ = written_->last;
    h_after_durable_ = written_->h;
    active_end_ = active.bytes = written_->end;
    active.next = durable_ + 1;
    written_.reset();
    return {};
}

FileResult<void> LaneFiles::append_tombstone(const Tombstone& tombstone) {
    if (segments_.back().next > segments_.back().first) {
        if (auto begun = begin_segment(durable_ + 1, h_after_durable_); !begun) {
            return begun;
        }
    }
    auto& segment = segments_.back();
    const SegmentHeader header{.first = segment.first, .h_before = h_after_durable_, .tombstone = tombstone.span};
    const auto bytes = tombstone_of(header, tombstone.digests, tombstone.classes, key_);
    if (auto made = write_whole(files_, folder_, segment_path(folder_, segment.first), bytes); !made) {
        return made;
    }
    segment.tombstone = true;
    segment.bytes = bytes.size();
    segment.next = segment.first + tombstone.span.entries;
    h_after_durable_ = delivery::chain_over(h_after_durable_, segment.first, digests_of(tombstone.digests));
    durable_ = segment.next - 1;
    return begin_segment(segment.next, h_after_durable_);
}

FileResult<void> LaneFiles::free(Seq before) {
    if (before > durable_ && active_end_ > limits_.segment_bytes / 4) {
        if (auto begun = begin_segment(durable_ + 1, h_after_durable_);
            !begun && begun.error().kind != FileError::Kind::no_space) {
            return begun;
        }
    }
    // What is left begins with a segment that knows its H.
    std::size_t keep = index_of(before);
    while (keep > 0 && !segments_[keep].h_before) {
        --keep;
    }
    for (; keep > 0; --keep) {
        const auto path = segment_path(folder_, segments_.front().first);
        auto gone = files_.unlink(path);
        if (!gone && gone.error().kind == FileError::Kind::missing) {
            gone = {};
        }
        if (auto done = gone.and_then([&] { return files_.sync_folder(folder_); }); !done) {
            return done;
        }
        if (place_.segment == segments_.front().first) {
            place_ = {};  // it would keep the file's room
        }
        segments_.pop_front();
    }
    return {};
}

FileResult<std::optional<Seq>> LaneFiles::oldest_before(Seq upto) {
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        const auto& segment = segments_[i];
        if (segment.tombstone || segment.next == segment.first || !segment.h_before) {
            continue;
        }
        if (segment.next - 1 > upto) {
            break;
        }
        const auto first = segment.first;
        if (i + 1 == segments_.size()) {
            if (auto begun = begin_segment(durable_ + 1, h_after_durable_); !begun) {
                return tl::unexpected{begun.error()};
            }
        }
        return std::optional{first};
    }
    return std::optional<Seq>{};
}

std::string LaneFiles::tombstone_for(Seq first) {
    auto& segment = segments_[index_of(first)];
    Tombstone tombstone;
    const auto scan = scan_events(read_whole(files_, segment_path(folder_, first)), first, key_, false,
                                  [&](const FrameHeader&, std::vector<Entry>&& entries) {
                                      for (const auto& entry : entries) {
                                          tombstone.digests.append(reinterpret_cast<const char*>(entry.digest.data()),
                                                                   entry.digest.size());
                                          tombstone.classes.push_back(static_cast<char>(entry.class_byte));
                                          add_to_span(tombstone.span, entry.observed_at_us);
                                          ++tombstone.span.entries;
                                      }
                                  });
    segment.next = std::min(segment.next, scan.segment.next);
    return tombstone_of({.first = first, .h_before = *segment.h_before, .tombstone = tombstone.span}, tombstone.digests,
                        tombstone.classes, key_);
}

void LaneFiles::given_up(Seq first, std::uint64_t tombstone_bytes) {
    auto& segment = segments_[index_of(first)];
    segment.tombstone = true;
    segment.bytes = tombstone_bytes;
    if (place_.segment == first) {
        place_ = {};
    }
}

std::uint64_t LaneFiles::bytes() const {
    std::uint64_t sum = 0;
    for (const auto& segment : segments_) {
        sum += segment.bytes;
    }
    return sum;
}

std::int64_t LaneFiles::oldest_spooled_us(Seq from) const {
    return from > durable_ ? 0 : segments_[index_of(from)].spooled_at_us;
}

}  // namespace mimamori::agent::spool
