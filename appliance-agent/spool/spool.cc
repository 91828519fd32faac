#include "appliance-agent/spool/spool.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/random.h"
#include "base/text.h"
#include "domain/delivery/chain.h"

namespace mimamori::agent::spool {
namespace {

constexpr std::array all_lanes{delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup};
constexpr std::uint64_t least_reserve_bytes = 256;

}  // namespace

std::string Spool::lane_folder(delivery::Lane lane) const {
    return fmt::format("{}/{}", settings_.folder, delivery::name_of(lane));
}

FileResult<std::unique_ptr<Spool>> Spool::open(FileSystem& files, const SpoolSettings& settings,
                                               const IsCovered& is_covered, std::vector<std::string>& notes) {
    std::unique_ptr<Spool> spool{new Spool{files, settings}};
    if (auto made = files.make_folder(settings.folder); !made) {
        return tl::unexpected{made.error()};
    }
    auto lock = files.lock(settings.folder + "/lock");
    if (!lock) {
        return tl::unexpected{lock.error()};
    }
    spool->lock_ = std::move(*lock);
    const auto parent = settings.folder.substr(0, settings.folder.find_last_of('/') + 1);
    if (auto synced = files.sync_folder(parent.empty() ? "." : parent); !synced) {
        return tl::unexpected{synced.error()};
    }
    if (auto made = spool->make_reserve(); !made && made.error().kind != FileError::Kind::no_space) {
        return tl::unexpected{made.error()};
    }
    for (const auto lane : all_lanes) {
        if (auto opened = spool->open_lane(lane, is_covered, notes); !opened) {
            return tl::unexpected{opened.error()};
        }
    }
    if (auto synced = files.sync_folder(settings.folder); !synced) {
        return tl::unexpected{synced.error()};
    }
    return spool;
}

FileResult<void> Spool::open_lane(delivery::Lane lane, const IsCovered& is_covered, std::vector<std::string>& notes) {
    const auto folder = lane_folder(lane);
    auto& slot = lanes_[index_of(lane)];
    if (auto made = files_.make_folder(folder).and_then([&] { return files_.sync_folder(folder); }); !made) {
        return made;
    }
    const auto names = files_.list(folder);
    if (!names) {
        return tl::unexpected{names.error()};
    }
    std::vector<SpoolId> generations;
    for (const auto& name : *names) {
        if (const auto id = spool_id_from(name)) {
            generations.push_back(*id);
        }
    }
    const auto written = read_whole(files_, folder + "/" + std::string{current_name}).bytes;
    auto current = spool_id_from(written);
    const bool is_there = current && std::find(generations.begin(), generations.end(), *current) != generations.end();
    if (!is_there && generations.size() > 1) {
        return tl::unexpected{FileError{
            FileError::Kind::broken,
            fmt::format(
                "{}/{} is damaged and several spools are there: move the folder away, keeping it for the support",
                folder, current_name)}};
    }
    if (!is_there && generations.size() == 1) {
        current = generations.front();
    }
    if (generations.empty()) {
        if (!written.empty()) {
            notes.push_back(fmt::format("{}: the spool named by {} is missing", folder, current_name));
        }
        auto made = new_generation(lane);
        if (!made) {
            return tl::unexpected{made.error()};
        }
        slot.lane = std::move(*made);
        return make_current(*slot.lane);
    }
    const StreamKey key{lane, *current};
    auto opened = LaneFiles::open(files_, fmt::format("{}/{}", folder, base::to_hex(*current)), key, settings_.lane,
                                  [&](Seq seq, const Entry& entry) {
                                      if (!is_covered(entry.position)) {
                                          slot.uncovered.push_back({seq, entry.position});
                                      }
                                  });
    if (!opened) {
        return tl::unexpected{opened.error()};
    }
    std::move(opened->notes.begin(), opened->notes.end(), std::back_inserter(notes));
    slot.lane = std::move(opened->lane);
    if (!is_there) {
        if (auto named = make_current(*slot.lane); !named) {
            return named;
        }
    }
    if (opened->bad_end) {
        notes.push_back(fmt::format("{}: goes on under a new spool id", folder));
        return move(lane, 1);
    }
    return remove_other_generations(lane);
}

// As large as the disk allows, up to what the largest tombstone needs.
FileResult<void> Spool::make_reserve() {
    reserve_.reset();
    reserved_bytes_ = 0;
    auto file = files_.open(settings_.folder + "/reserve", OpenMode::create);
    if (!file) {
        return tl::unexpected{file.error()};
    }
    auto size = reserve_bytes(settings_.lane);
    auto reserved = (*file)->reserve(size);
    while (!reserved && reserved.error().kind == FileError::Kind::no_space && size >= 2 * least_reserve_bytes) {
        size /= 2;
        (void)(*file)->truncate(0);
        reserved = (*file)->reserve(size);
    }
    if (auto synced = reserved.and_then([&] { return (*file)->sync(); }); !synced) {
        (void)(*file)->truncate(0);
        return synced;
    }
    reserve_ = std::move(*file);
    reserved_bytes_ = size;
    return {};
}

bool Spool::has_room(delivery::Lane lane) const {
    const auto& slot = lanes_[index_of(lane)];
    return slot.pending.size() < max_frame_entries && slot.pending_bytes < max_pending_bytes;
}

bool Spool::add(delivery::Lane lane, Entry entry) {
    auto& slot = lanes_[index_of(lane)];
    if (!has_room(lane)) {
        return false;
    }
    entry.digest = delivery::digest_of(entry.kind, entry.payload);
    slot.pending_bytes += record_bytes(entry);
    slot.pending.push_back(std::move(entry));
    return true;
}

bool Spool::has_pending() const {
    return std::any_of(lanes_.begin(), lanes_.end(), [](const Slot& slot) { return !slot.pending.empty(); });
}

// False: there is no room and nothing that may be given up.
FileResult<bool> Spool::write(Slot& slot, std::int64_t now_us) {
    const auto cost = slot.lane->cost(slot.pending);
    std::uint64_t unsynced = 0;
    for (const auto& other : lanes_) {
        unsynced += other.unsynced_bytes;
    }
    for (;;) {
        const bool fits = bytes() + unsynced + cost <= settings_.max_bytes;
        auto put = fits ? slot.lane->append(slot.pending, now_us) : FileResult<void>{};
        if (fits && put) {
            slot.unsynced_bytes = cost;
            return true;
        }
        if (!put && put.error().kind != FileError::Kind::no_space) {
            return tl::unexpected{put.error()};
        }
        if (auto room = give_up_one(); !room || !*room) {
            return room;
        }
    }
}

FileResult<Spool::Commit> Spool::commit(std::int64_t now_us) {
    auto result = Commit::done;
    for (auto& slot : lanes_) {  // most urgent first
        if (slot.pending.empty()) {
            continue;
        }
        auto written = write(slot, now_us);
        if (!written) {
            return tl::unexpected{written.error()};
        }
        result = *written ? result : Commit::full;
    }
    for (auto& slot : lanes_) {
        if (slot.unsynced_bytes == 0) {
            continue;
        }
        auto seq = slot.lane->last_durable();
        if (auto synced = slot.lane->sync(); !synced) {
            return tl::unexpected{synced.error()};
        }
        for (auto& entry : slot.pending) {
            slot.uncovered.push_back({++seq, std::move(entry.position)});
            slot.committed_bytes += entry.payload.size();
        }
        slot.pending.clear();
        slot.pending_bytes = 0;
        slot.unsynced_bytes = 0;
    }
    return result;
}

// The lowest lane's oldest segment becomes a tombstone. False if there is none that may.
FileResult<bool> Spool::give_up_one() {
    if (reserved_bytes_ < reserve_bytes(settings_.lane)) {
        if (auto made = make_reserve(); !made && made.error().kind != FileError::Kind::no_space) {
            return tl::unexpected{made.error()};
        }
    }
    for (auto slot = lanes_.rbegin(); slot != lanes_.rend() && reserve_; ++slot) {
        if (!slot->lane || slot->unsynced_bytes > 0) {
            continue;  // not open yet, or its newest frame is not synced: nothing else may be begun in it
        }
        auto& lane = *slot->lane;
        const auto oldest = lane.oldest_before(slot->covered());
        if (!oldest && oldest.error().kind != FileError::Kind::no_space) {
            return tl::unexpected{oldest.error()};
        }
        if (!oldest || !*oldest) {
            continue;
        }
        const auto first = **oldest;
        const auto tombstone = lane.tombstone_for(first);
        if (tombstone.size() > reserved_bytes_) {
            continue;
        }
        auto done = reserve_->write(0, tombstone)
                        .and_then([&] { return reserve_->truncate(tombstone.size()); })
                        .and_then([&] { return reserve_->sync(); })
                        .and_then([&] {
                            return files_.rename(settings_.folder + "/reserve", segment_path(lane.folder(), first));
                        })
                        .and_then([&] { return files_.sync_folder(lane.folder()); })
                        .and_then([&] { return files_.sync_folder(settings_.folder); });
        if (!done) {
            return tl::unexpected{FileError{FileError::Kind::broken, done.error().what}};
        }
        given_up_entries_ += segment_header_from(tombstone, lane.key())->tombstone->entries;
        lane.given_up(first, tombstone.size());
        if (auto made = make_reserve(); !made && made.error().kind != FileError::Kind::no_space) {
            return tl::unexpected{made.error()};
        }
        return true;
    }
    return false;
}

void Spool::cover(const IsCovered& is_covered) {
    for (auto& slot : lanes_) {
        while (!slot.uncovered.empty() && is_covered(slot.uncovered.front().position)) {
            slot.uncovered.pop_front();
        }
    }
}

FileResult<void> Spool::free(delivery::Lane lane, Seq before) {
    auto& slot = lanes_[index_of(lane)];
    return slot.lane->free(std::min(before, slot.covered() + 1));
}

std::uint64_t Spool::bytes() const {
    std::uint64_t sum = 0;
    for (const auto& slot : lanes_) {
        sum += slot.lane ? slot.lane->bytes() : 0;
    }
    return sum;
}

}  // namespace mimamori::agent::spool
