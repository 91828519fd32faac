// The machine stops, or the disk fails, at every step in turn. What was acknowledged is there afterwards, once, under
// the same number; and a line of a log becomes exactly one entry.
#include <random>

#include "agent/spool/support.h"
#include "appliance-agent/spool/checkpoints.h"

using namespace mimamori::agent::spool;
namespace delivery = mimamori::domain::delivery;

namespace {

std::uint64_t seed_of_this_run() {
    static const std::uint64_t seed = std::random_device{}();
    return seed;
}

// A log of numbered lines and the agent's loop around it: read, add, commit, store the checkpoint. A line's lane and
// size follow from its number. The log itself never fails.
class Reader {
  public:
    static constexpr int lines = 60;
    static Lane lane_of(int line) { return line % 7 == 0 ? Lane::urgent : line % 3 == 0 ? Lane::rollup : Lane::normal; }
    static std::string text_of(int line) {
        return fmt::format("line {} {}", line, std::string(static_cast<std::size_t>(line * 37 % 120), '.'));
    }

    explicit Reader(SimulatedDisk& disk, SpoolSettings settings) : disk_{disk}, settings_{std::move(settings)} {}

    // From opening on until all lines are read. `settle`: what is read is freed as if the service had stored it.
    // False if the disk failed.
    bool run(bool settle) {
        if (!disk_.make_folder("/spool")) {
            return false;
        }
        auto opened = Checkpoints::open(disk_, "/spool");
        if (!opened || !opened->index_of("log")) {
            return false;
        }
        auto checkpoints = std::move(*opened);
        const auto& text = checkpoints.sources().at("log").checkpoint;
        int at = text.empty() ? 0 : std::stoi(text);
        const auto is_covered = [&](std::string_view position) {
            return !position.empty() && std::stoi(std::string{position}) < at;
        };
        std::vector<std::string> notes;
        auto spool = Spool::open(disk_, settings_, is_covered, notes);
        if (!spool) {
            return false;
        }
        std::set<int> spooled;
        for (const auto lane : all_lanes) {
            for (const auto& entry : (*spool)->uncovered(lane)) {
                spooled.insert(std::stoi(entry.position));
            }
        }
        while (at < lines) {
            const int step = std::min(lines - at, 1 + at % 5);
            for (int line = at; line < at + step; ++line) {
                if (!spooled.contains(line)) {
                    (*spool)->add(lane_of(line), entry_of(text_of(line), std::to_string(line)));
                }
            }
            const auto done = (*spool)->commit(line_time(at));
            if (!done || *done != Spool::Commit::done) {
                return false;
            }
            checkpoints.set("log", std::to_string(at + step));
            if (!checkpoints.store()) {
                return false;
            }
            at += step;
            (*spool)->cover(is_covered);
            if (settle && at % 4 == 0) {
                for (const auto lane : all_lanes) {
                    const auto before = (*spool)->lane(lane).last_durable() / 2 + 1;
                    take(**spool, lane, before);
                    if (!(*spool)->free(lane, before)) {
                        return false;
                    }
                }
            }
        }
        return true;
    }

    // As the service stores: from its cursor on, checking H.
    void take(Spool& spool, Lane lane, Seq before) {
        auto& service = service_[delivery::index_of(lane)];
        if (!service.known) {
            service = {.spool_id = spool.lane(lane).spool_id(),
                       .h = delivery::chain_origin(lane, spool.lane(lane).spool_id()),
                       .known = true};
        }
        REQUIRE(spool.lane(lane).spool_id() == service.spool_id);
        REQUIRE(spool.lane(lane).first() <= service.next);
        REQUIRE(spool.lane(lane).last_durable() + 1 >= service.next);
        const auto h = spool.lane(lane).h_before(service.next);  // may meet the end of the machine
        REQUIRE(h == service.h);
        while (service.next < before) {
            auto piece =
                spool.read(lane, service.next, {.max_entries = static_cast<std::size_t>(before - service.next)});
            REQUIRE(piece);
            REQUIRE(piece->kind != Piece::Kind::damaged);
            REQUIRE(piece->h_before == service.h);
            for (const auto& digest : digests_of(piece->tombstone.digests)) {
                stated_lost_.insert(digest);
            }
            for (const auto& entry : piece->entries) {
                stored_.push_back(entry.payload);
            }
            service.next = piece->last + 1;
            service.h = piece->h_after;
        }
    }

    void finish() {
        auto spool = open_spool(disk_, settings_);
        for (const auto lane : all_lanes) {
            take(*spool, lane, spool->lane(lane).last_durable() + 1);
        }
    }

    // Stored, or stated lost with its digest where the disk had no room.
    void require_exactly_once() const {
        const std::multiset<std::string> got{stored_.begin(), stored_.end()};
        for (int line = 0; line < lines; ++line) {
            INFO(line);
            REQUIRE(got.count(text_of(line)) +
                        stated_lost_.count(delivery::digest_of(EntryKind::event, text_of(line))) ==
                    1);
        }
        REQUIRE(got.size() + stated_lost_.size() == lines);
    }
    bool has_lost() const { return !stated_lost_.empty(); }

  private:
    static std::int64_t line_time(int at) { return 1'000 + at; }
    struct Stream {
        delivery::SpoolId spool_id{};
        Seq next = 1;
        delivery::Hash128 h{};
        bool known = false;
    };
    SimulatedDisk& disk_;
    SpoolSettings settings_;
    std::array<Stream, delivery::lane_count> service_;
    std::vector<std::string> stored_;
    std::multiset<delivery::Hash128> stated_lost_;
};

// Runs to the end through whatever happens; true if the step to break at was never reached.
template <class Break>
bool run_broken(std::uint64_t seed, bool settle, bool may_lose, Break at_break) {
    SimulatedDisk disk{seed};
    Reader reader{disk, small_spool()};
    const bool untouched = at_break(disk, reader, settle);
    disk.heal();
    for (int tries = 0; !reader.run(settle); ++tries) {
        disk.restart_process();
        REQUIRE(tries < 20);
    }
    disk.restart_process();
    reader.finish();
    reader.require_exactly_once();
    REQUIRE((may_lose || !reader.has_lost()));
    return untouched;
}

}  // namespace

TEST_CASE("a machine that stops at any step loses nothing acknowledged, doubles no line, and the chain goes on") {
    const auto seed = seed_of_this_run();
    INFO("seed " << seed);
    for (const bool settle : {false, true}) {
        bool done = false;
        for (std::uint64_t step = 1; !done; ++step) {
            INFO("step " << step << " settle " << settle);
            done = run_broken(seed + step, settle, false, [&](SimulatedDisk& disk, Reader& reader, bool settles) {
                disk.crash_after(step);
                try {
                    const bool all_read = reader.run(settles);
                    REQUIRE(all_read);
                    return true;
                } catch (const Crash&) {
                    disk.restart();
                    return false;
                }
            });
            REQUIRE(step < 5000);
        }
    }
}

TEST_CASE("stopping again and again, in the recovery too, ends with every line once") {
    const auto seed = seed_of_this_run();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    for (int round = 0; round < 300; ++round) {
        INFO("round " << round);
        run_broken(random(), round % 2 == 0, false, [&](SimulatedDisk& disk, Reader& reader, bool settles) {
            for (int crash = 0; crash < 12; ++crash) {
                disk.crash_after(random() % 120);
                try {
                    if (!reader.run(settles)) {
                        return false;
                    }
                    return true;
                } catch (const Crash&) {
                    if (random() % 3 == 0) {
                        disk.heal();
                        disk.restart_process();
                    } else {
                        disk.restart();
                    }
                }
            }
            return false;
        });
    }
}

TEST_CASE("a disk that fails once at any step, with the machine stopping later, ends with every line once") {
    const auto seed = seed_of_this_run();
    INFO("seed " << seed);
    for (const auto kind : {FileError::Kind::broken, FileError::Kind::no_space}) {
        bool done = false;
        for (std::uint64_t step = 1; !done; ++step) {
            INFO("step " << step << (kind == FileError::Kind::no_space ? " no space" : " broken"));
            done = run_broken(seed + step, true, kind == FileError::Kind::no_space,
                              [&](SimulatedDisk& disk, Reader& reader, bool settles) {
                                  disk.fail_after(step, kind);
                                  (void)reader.run(settles);
                                  const bool untouched = !disk.has_failed();
                                  disk.restart_process();
                                  disk.crash_after((seed + step * 7) % 90);  // and then the power goes
                                  try {
                                      (void)reader.run(settles);
                                  } catch (const Crash&) {
                                  }
                                  disk.restart();
                                  return untouched;
                              });
            REQUIRE(step < 5000);
        }
    }
}

TEST_CASE("a machine that stops at any step of moving a forked spool has the old one or the new one, whole") {
    const auto seed = seed_of_this_run();
    INFO("seed " << seed);
    bool done = false;
    for (std::uint64_t step = 1; !done; ++step) {
        INFO("step " << step);
        SimulatedDisk disk{seed + step};
        auto spool = open_spool(disk);
        for (int i = 0; i < 6; ++i) {
            add_and_commit(*spool, Lane::normal, numbered(i * 8 + 1, i * 8 + 8, 30));
        }
        const auto old_id = spool->lane(Lane::normal).spool_id();
        disk.crash_after(step);
        try {
            const auto moved = spool->move(Lane::normal, 11);
            REQUIRE(moved);
            done = true;
        } catch (const Crash&) {
        }
        spool.reset();
        disk.restart();
        spool = open_spool(disk);
        const auto held = read_all(*spool, Lane::normal);
        if (spool->lane(Lane::normal).spool_id() == old_id) {
            REQUIRE_FALSE(done);
            REQUIRE(payloads_of(held) == numbered(1, 48, 30));
        } else {
            REQUIRE(payloads_of(held) == numbered(11, 48, 30));
        }
        REQUIRE(segments_of(disk, "normal").size() < 12);  // the other one is gone
        REQUIRE(step < 2000);
    }
}

TEST_CASE("a machine that stops at any step of a full spool keeps what it held or states it with digests") {
    const auto seed = seed_of_this_run();
    INFO("seed " << seed);
    auto settings = small_spool();
    settings.max_bytes = 6000;
    bool done = false;
    for (std::uint64_t step = 1; !done; ++step) {
        INFO("step " << step);
        SimulatedDisk disk{seed + step};
        auto spool = open_spool(disk, settings);
        disk.crash_after(step);
        int acknowledged = 0;
        try {
            for (int i = 0; i < 12; ++i) {
                add_and_commit(*spool, Lane::normal, numbered(i * 8 + 1, i * 8 + 8, 30));
                acknowledged = i * 8 + 8;
            }
            done = true;
        } catch (const Crash&) {
        }
        spool.reset();
        disk.restart();
        spool = open_spool(disk, settings);
        const auto held = read_all(*spool, Lane::normal);
        REQUIRE(held.damaged.empty());
        REQUIRE(spool->lane(Lane::normal).first() == 1);
        REQUIRE(spool->lane(Lane::normal).last_durable() >= static_cast<Seq>(acknowledged));
        Seq given_up = 0;
        for (const auto& [first, last] : held.tombstones) {
            given_up += last - first + 1;
        }
        REQUIRE(given_up + held.payloads.size() == spool->lane(Lane::normal).last_durable());
        for (const auto& [seq, payload] : held.payloads) {
            REQUIRE(payload == numbered(static_cast<int>(seq), static_cast<int>(seq), 30).front());
        }
        REQUIRE(step < 5000);
    }
}
