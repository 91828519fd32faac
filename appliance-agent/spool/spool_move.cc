// A lane's generations: one folder for each spool id, one of them in force; and the move from one to the next.
#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "appliance-agent/spool/spool.h"
#include "base/random.h"
#include "base/text.h"

namespace mimamori::agent::spool {

std::optional<SpoolId> spool_id_from(std::string_view hex) {
    const auto bytes = base::from_hex(hex);
    if (!bytes || bytes->size() != std::tuple_size_v<SpoolId>) {
        return std::nullopt;
    }
    SpoolId out;
    std::copy(bytes->begin(), bytes->end(), out.begin());
    return out;
}

FileResult<std::unique_ptr<LaneFiles>> Spool::new_generation(delivery::Lane lane) {
    StreamKey key{lane, base::random_bytes16()};
    const auto folder = fmt::format("{}/{}", lane_folder(lane), base::to_hex(key.spool_id));
    if (auto made = files_.make_folder(folder); !made) {
        return tl::unexpected{made.error()};
    }
    return LaneFiles::create(files_, folder, key, settings_.lane);
}

// From here on the lane is this one. Its folder's own content is synced already.
FileResult<void> Spool::make_current(const LaneFiles& lane) {
    const auto folder = lane_folder(lane.key().lane);
    return files_.sync_folder(folder).and_then([&] {
        return write_whole(files_, folder, fmt::format("{}/{}", folder, current_name),
                           base::to_hex(lane.key().spool_id));
    });
}

FileResult<void> Spool::remove_other_generations(delivery::Lane lane) {
    const auto folder = lane_folder(lane);
    const auto names = files_.list(folder);
    if (!names) {
        return tl::unexpected{names.error()};
    }
    const auto mine = base::to_hex(lanes_[index_of(lane)].lane->key().spool_id);
    for (const auto& name : *names) {
        FileResult<void> gone;
        if (spool_id_from(name) && name != mine) {
            gone = remove_generation(folder + "/" + name);
        } else if (name.ends_with(".tmp")) {
            gone = files_.unlink(folder + "/" + name);
        }
        if (!gone) {
            return gone;
        }
    }
    return {};
}

FileResult<void> Spool::remove_generation(const std::string& folder) {
    const auto names = files_.list(folder);
    if (!names) {
        return tl::unexpected{names.error()};
    }
    for (const auto& name : *names) {
        if (auto gone = files_.unlink(folder + "/" + name); !gone) {
            return gone;
        }
    }
    return files_.remove_folder(folder);
}

FileResult<void> Spool::move(delivery::Lane lane, Seq from) {
    auto& slot = lanes_[index_of(lane)];
    for (;;) {
        auto made = new_generation(lane);
        std::deque<Uncovered> uncovered;
        auto copied = made ? copy_to(**made, slot, from, uncovered) : FileResult<void>{tl::unexpected{made.error()}};
        if (copied) {
            if (auto switched = make_current(**made); !switched) {
                return tl::unexpected{FileError{FileError::Kind::broken, switched.error().what}};
            }
            slot.lane = std::move(*made);
            slot.uncovered = std::move(uncovered);
            return remove_other_generations(lane);
        }
        if (copied.error().kind != FileError::Kind::no_space) {
            return copied;
        }
        made = tl::unexpected{copied.error()};  // closes its files
        if (auto removed = remove_other_generations(lane); !removed) {
            return removed;
        }
        auto room = reserve_ ? give_up_one() : FileResult<bool>{false};
        if (!room || !*room) {
            return copied;
        }
    }
}

FileResult<void> Spool::copy_to(LaneFiles& target, Slot& from_slot, Seq from, std::deque<Uncovered>& uncovered) {
    const auto old_id = from_slot.lane->spool_id();
    auto known = from_slot.uncovered.begin();
    const LaneFiles::Sink sink{
        .events = [&](Seq seq, std::vector<Entry>&& entries, std::int64_t spooled_at_us) -> FileResult<void> {
            auto moved = target.last_durable();
            for (auto& entry : entries) {
                ++moved;
                known = std::find_if(known, from_slot.uncovered.end(), [&](const auto& u) { return u.seq >= seq; });
                if (known != from_slot.uncovered.end() && known->seq == seq) {
                    uncovered.push_back({moved, entry.position});
                }
                if (!entry.suspect) {
                    entry.suspect = delivery::SuspectOf{old_id, seq};
                }
                ++seq;
            }
            // Marks may make a frame larger than one commit would.
            for (std::span<const Entry> rest{entries}; !rest.empty();) {
                const auto count = std::min<std::size_t>(rest.size(), max_frame_entries / 2);
                if (auto put = target.append(rest.first(count), spooled_at_us).and_then([&] { return target.sync(); });
                    !put) {
                    return put;
                }
                rest = rest.subspan(count);
            }
            return {};
        },
        .tombstone = [&](Seq, const Tombstone& tombstone) { return target.append_tombstone(tombstone); },
    };
    // What no stored checkpoint covers stays in the spool, even if it was settled: else its line would be read again.
    return from_slot.lane->salvage(std::min(from, from_slot.covered() + 1), sink);
}

}  // namespace mimamori::agent::spool
