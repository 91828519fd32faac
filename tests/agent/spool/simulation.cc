// Random histories of one spool on the simulated disk: lines are read and committed, settled and freed, the spool is
// forked, the disk fills, fails and loses power, at steps drawn from a seed that is printed. At the end of each history
// every line was stored exactly once, or its digest is in a tombstone.
//   agent_spool_simulation --operations 1000000 --seed 7
//   agent_spool_simulation --mutant acknowledged-before-sync --expect-violation     succeeds only if it is found
#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "agent/spool/simulated_disk.h"
#include "appliance-agent/spool/checkpoints.h"
#include "appliance-agent/spool/spool.h"
#include "domain/delivery/chain.h"

using namespace mimamori::agent::spool;
namespace delivery = mimamori::domain::delivery;
using delivery::Lane;

namespace {

constexpr std::array all_lanes{Lane::urgent, Lane::normal, Lane::rollup};

struct Violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void require(bool holds, const std::string& otherwise) {
    if (!holds) {
        throw Violation{otherwise};
    }
}

// What the service has: streams with a cursor, rows by the first place they ever had, and digests stated lost.
class Service {
  public:
    // Takes entries up to `last` of this lane's open stream, verifying the chain from its cursor.
    void take(Spool& spool, Lane lane, Seq last, std::size_t max_entries) {
        auto& stream = open_stream(spool, lane);
        const auto& view = spool.lane(lane);
        require(view.first() <= stream.next,
                fmt::format("{}: entries from {} on are not stored, the spool begins at {}", delivery::name_of(lane),
                            stream.next, view.first()));
        require(view.last_durable() + 1 >= stream.next,
                fmt::format("{}: {} are stored, the spool knows {}", delivery::name_of(lane), stream.next - 1,
                            view.last_durable()));
        require(view.h_before(stream.next) == stream.h, fmt::format("H differs before {}", stream.next));
        while (stream.next <= std::min(last, view.last_durable())) {
            const auto piece = spool.read(lane, stream.next, {.max_entries = max_entries, .max_tombstone_entries = 9});
            if (!piece) {
                return;  // the disk failed
            }
            require(piece->kind != Piece::Kind::damaged, fmt::format("entries from {} on cannot be read", stream.next));
            require(piece->first == stream.next && piece->h_before == stream.h,
                    "a piece does not continue the one before");
            for (const auto& digest : digests_of(piece->tombstone.digests)) {
                lost_.insert(digest);
            }
            auto seq = piece->first;
            for (const auto& entry : piece->entries) {
                const auto place = entry.suspect ? std::pair{entry.suspect->spool_id, entry.suspect->seq}
                                                 : std::pair{view.spool_id(), seq};
                if (places_.insert(place).second) {
                    stored_.insert(entry.digest);
                }
                ++seq;
            }
            stream.next = piece->last + 1;
            stream.h = piece->h_after;
        }
    }

    Seq next(Spool& spool, Lane lane) { return open_stream(spool, lane).next; }
    void close(Lane lane) { streams_[delivery::index_of(lane)].closed = true; }
    bool is_closed(const Spool& spool, Lane lane) const {
        const auto& stream = streams_[delivery::index_of(lane)];
        return stream.closed && stream.spool_id == spool.lane(lane).spool_id();
    }
    std::size_t accounted(const delivery::Hash128& digest) const { return stored_.count(digest) + lost_.count(digest); }
    std::size_t accounted() const { return stored_.size() + lost_.size(); }
    std::size_t lost() const { return lost_.size(); }

  private:
    struct Stream {
        delivery::SpoolId spool_id{};
        Seq next = 0;  // 0: not opened yet
        delivery::Hash128 h{};
        bool closed = false;
    };
    Stream& open_stream(Spool& spool, Lane lane) {
        auto& stream = streams_[delivery::index_of(lane)];
        const auto id = spool.lane(lane).spool_id();
        if (stream.next == 0 || (stream.closed && id != stream.spool_id)) {
            stream = {id, 1, delivery::chain_origin(lane, id), false};
        }
        require(id == stream.spool_id, "a new spool id, though nobody closed the stream");
        return stream;
    }
    std::array<Stream, delivery::lane_count> streams_;
    std::set<std::pair<delivery::SpoolId, Seq>> places_;
    std::multiset<delivery::Hash128> stored_, lost_;
};

class History {
  public:
    History(std::uint64_t seed, SimulatedDisk::Lie lie) : random_{seed}, disk_{random_()} {
        disk_.lie(lie);
        settings_.folder = "/spool";
        settings_.lane = {.segment_bytes = 600 + below(3000), .segment_entries = 4 + below(60)};
        settings_.max_bytes = below(3) == 0 ? 3 * settings_.lane.segment_bytes + below(20'000) : 1U << 20U;
        lines_ = 20 + static_cast<int>(below(200));
    }

    void run() {
        for (int lives = 0; at_ < lines_ || lives == 0; ++lives) {
            require(lives < 200, "no fault for many starts, and the lines are still not read");
            plan_fault(lives);
            try {
                live();
                disk_.restart_process();
            } catch (const Crash&) {
                close_spool();
                if (below(4) == 0) {
                    disk_.heal();
                    disk_.restart_process();  // only the process was killed
                } else {
                    disk_.restart();
                }
            }
            close_spool();
        }
        disk_.heal();
        disk_.set_capacity(std::nullopt);
        require(open(), "a healthy disk, and the spool does not open");
        for (const auto lane : all_lanes) {
            finish_fork(lane);
            service_.take(*spool_, lane, spool_->lane(lane).last_durable(), 50);
        }
        for (int line = 0; line < lines_; ++line) {
            const auto count = service_.accounted(delivery::digest_of(EntryKind::event, text_of(line)));
            const bool overstated = count == 2 && stored_but_moved_.contains(line);
            require(count == 1 || overstated, fmt::format("line {} is accounted for {} times", line, count));
            overstated_ += overstated ? 1 : 0;
        }
        require(service_.accounted() == static_cast<std::size_t>(lines_) + overstated_,
                "something is stored that was never a line");
    }

    std::uint64_t operations() const { return disk_.steps(); }
    std::size_t lost() const { return service_.lost(); }
    int crashes() const { return crashes_; }
    int forks() const { return forks_; }

  private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    static Lane lane_of(int line) { return line % 7 == 0 ? Lane::urgent : line % 3 == 0 ? Lane::rollup : Lane::normal; }
    static std::string text_of(int line) {
        return fmt::format("line {} {}", line, std::string(static_cast<std::size_t>(line * 37 % 150), '.'));
    }

    // After enough faults the rest of the history is quiet, so that it ends.
    void plan_fault(int lives) {
        disk_.heal();
        disk_.set_capacity(std::nullopt);
        const auto kind = lives > 25 ? 0 : below(5);
        if (kind == 1 || kind == 2) {
            disk_.crash_after(below(kind == 1 ? 60 : 400));
            ++crashes_;
        } else if (kind == 3) {
            disk_.fail_after(below(300), below(2) == 0 ? FileError::Kind::broken : FileError::Kind::no_space);
        } else if (kind == 4) {
            disk_.set_capacity(disk_.used() + below(4000));
        }
    }

    bool open() {
        if (!disk_.make_folder("/spool")) {
            return false;
        }
        auto checkpoints = Checkpoints::open(disk_, "/spool");
        if (!checkpoints || !checkpoints->index_of("log")) {
            return false;
        }
        checkpoints_.emplace(std::move(*checkpoints));
        const auto& text = checkpoints_->sources().at("log").checkpoint;
        at_ = text.empty() ? 0 : std::stoi(text);
        std::vector<std::string> notes;
        auto spool = Spool::open(disk_, settings_, covered(), notes);
        if (!spool) {
            return false;
        }
        spool_ = std::move(*spool);
        return true;
    }
    void close_spool() {
        spool_.reset();
        checkpoints_.reset();
    }
    Spool::IsCovered covered() {
        return
            [this](std::string_view position) { return !position.empty() && std::stoi(std::string{position}) < at_; };
    }

    // Until all lines are read or something fails; the agent ends then and is started again.
    void live() {
        if (!open()) {
            return;
        }
        std::set<int> spooled;
        for (const auto lane : all_lanes) {
            for (const auto& entry : spool_->uncovered(lane)) {
                spooled.insert(std::stoi(entry.position));
            }
        }
        int fruitless = 0;
        while (at_ < lines_ && fruitless < 8) {
            for (const auto lane : all_lanes) {
                if (!settle(lane)) {
                    return;
                }
            }
            const int step = std::min(lines_ - at_, 1 + static_cast<int>(below(12)));
            for (int line = at_; line < at_ + step; ++line) {
                if (!spooled.contains(line)) {
                    Entry entry;
                    entry.class_byte = 1;
                    entry.observed_at_us = 1'000'000 + line;
                    entry.payload = text_of(line);
                    entry.position = std::to_string(line);
                    require(spool_->add(lane_of(line), std::move(entry)), "a small commit has no room");
                }
            }
            for (auto done = spool_->commit(at_ + 1); !done || *done != Spool::Commit::done;
                 done = spool_->commit(at_ + 1)) {
                if (!done || ++fruitless > 8) {
                    return;
                }
                for (const auto lane : all_lanes) {  // full: what is settled makes room
                    if (!settle(lane)) {
                        return;
                    }
                }
            }
            checkpoints_->set("log", std::to_string(at_ + step));
            if (!checkpoints_->store()) {
                return;
            }
            at_ += step;
            spool_->cover(covered());
        }
    }

    bool settle(Lane lane) {
        if (!finish_fork(lane)) {
            return false;
        }
        const auto last = spool_->lane(lane).last_durable();
        if (below(3) == 0) {
            service_.take(*spool_, lane, below(last + 1), 1 + below(20));
        }
        if (below(3) == 0 && !spool_->free(lane, service_.next(*spool_, lane))) {
            return false;
        }
        if (below(40) == 0) {
            service_.close(lane);
            ++forks_;
            return finish_fork(lane);
        }
        return true;
    }
    // The stream is closed: what lies after its cursor goes to a new spool id.
    bool finish_fork(Lane lane) {
        if (!service_.is_closed(*spool_, lane)) {
            return true;
        }
        const auto from = service_.next(*spool_, lane);
        for (const auto& entry : spool_->uncovered(lane)) {
            if (entry.seq < from) {
                stored_but_moved_.insert(std::stoi(entry.position));
            }
        }
        return spool_->move(lane, from).has_value();
    }

    std::mt19937_64 random_;
    SimulatedDisk disk_;
    SpoolSettings settings_;
    int lines_ = 0;
    int at_ = 0;  // lines that the stored checkpoint covers
    std::optional<Checkpoints> checkpoints_;
    std::unique_ptr<Spool> spool_;
    Service service_;
    // Stored, but kept through a fork for its position, which no checkpoint covers yet. If the spool then fills up and
    // gives it up, the tombstone states a loss that was none: the only way in which a loss is overstated.
    std::set<int> stored_but_moved_;
    std::size_t overstated_ = 0;
    int crashes_ = 0, forks_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
    std::uint64_t operations = 1'000'000, seed = std::random_device{}();
    SimulatedDisk::Lie lie = SimulatedDisk::Lie::none;
    bool expect_violation = false;
    CLI::App app{"Random histories of one spool on a disk that fails"};
    app.add_option("--operations", operations, "calls of the file system, over all histories");
    app.add_option("--seed", seed, "of the first history; the next ones follow it");
    app.add_option("--mutant", lie, "a seeded fault")
        ->transform(CLI::CheckedTransformer{
            std::map<std::string, SimulatedDisk::Lie>{{"acknowledged-before-sync", SimulatedDisk::Lie::file_sync},
                                                      {"unlinked-before-sync", SimulatedDisk::Lie::folder_sync}}});
    app.add_flag("--expect-violation", expect_violation, "succeed only if a violation is found");
    CLI11_PARSE(app, count, arguments);

    const auto started = std::chrono::steady_clock::now();
    std::uint64_t done = 0, histories = 0, lost = 0, crashes = 0, forks = 0;
    for (; done < operations; ++histories, ++seed) {
        History history{seed, lie};
        try {
            history.run();
        } catch (const Violation& violation) {
            fmt::print("violation: {} (--seed {} --operations 1), after {} histories and {} operations\n",
                       violation.what(), seed, histories, done + history.operations());
            return expect_violation ? 0 : 1;
        }
        done += history.operations();
        lost += history.lost();
        crashes += static_cast<std::uint64_t>(history.crashes());
        forks += static_cast<std::uint64_t>(history.forks());
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    fmt::print(
        "no violation: last seed {}, {} histories, {} operations, {} planned crashes, {} forks, {} entries stated "
        "lost; {:.1f} s\n",
        seed - 1, histories, done, crashes, forks, lost, took.count());
    return expect_violation ? 1 : 0;
}
