// What must hold after every step, and at the end of a walk.
#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "simulation/world.h"

namespace mimamori::simulation {

void World::violate(const std::string& what) {
    if (!violation_) {
        violation_ = Violation{what};
        note("VIOLATION %s", what.c_str());
    }
}

void World::note(const char* format, ...) {
    if (!plan_.trace) {
        return;
    }
    std::printf("  %6llu  ", static_cast<unsigned long long>(steps_));
    va_list arguments;
    va_start(arguments, format);
    std::vprintf(format, arguments);
    va_end(arguments);
    std::printf("\n");
}

void World::check_streams() {
    const bool between = std::any_of(correlators_.begin(), correlators_.end(), [](const auto& workers) {
        return std::any_of(workers.begin(), workers.end(),
                           [](const Worker& worker) { return worker.phase == Worker::Phase::rows_pending; });
    });
    for (const auto& [key, stream] : database_.streams) {
        const Seq accounted = stream.cursor.next_seq - 1;
        if (stream.counters.sum() != accounted) {
            violate("ID: the counters of a stream do not add up to its cursor");
        }
        for (Seq seq = 1; seq <= accounted && !between; ++seq) {
            if (seq > stream.slots.size() || !stream.slots[seq - 1].filled) {
                violate("S2: the cursor is beyond an entry that is not recorded");
                break;
            }
        }
    }
    for (std::size_t index = 0; index < agents_.size(); ++index) {
        const auto& agent = agents_[index];
        for (std::size_t lane = 0; lane < lane_count; ++lane) {
            const auto& spool = agent.spools[lane];
            const auto at = database_.streams.find({index, static_cast<Lane>(lane), spool.spool_id()});
            if (at == database_.streams.end()) {
                continue;
            }
            const auto next = at->second.cursor.next_seq;
            if ((next < spool.first() && !restored_) || (next > spool.last() + 1 && !agent.forkable)) {
                violate("BD: not first spooled <= next_seq <= last assigned + 1");
            }
        }
    }
}

// An agent may free what the database has at that very place.
void World::check_freed(std::size_t agent, Lane lane, Seq before) {
    const auto& spool = agents_[agent].spools[index_of(lane)];
    const auto& stream = database_.open({agent, lane, spool.spool_id()});
    for (Seq seq = spool.first(); seq < before; ++seq) {
        const bool there = seq < stream.cursor.next_seq && seq <= stream.slots.size() && stream.slots[seq - 1].filled;
        if (!there || (stream.slots[seq - 1].content != spool.entry(seq).content && !stream.unverified)) {
            violate("S3: an agent frees what the database does not have");
            return;
        }
    }
}

// Nothing is on its way any more. After a restored backup the log must have been replayed, and what it no longer has
// must have been stated.
bool World::all_settled() const {
    for (std::size_t index = 0; index < agents_.size(); ++index) {
        for (std::size_t lane = 0; lane < lane_count; ++lane) {
            const auto& spool = agents_[index].spools[lane];
            const auto at = database_.streams.find({index, static_cast<Lane>(lane), spool.spool_id()});
            const Seq next = at == database_.streams.end() ? 1 : at->second.cursor.next_seq;
            // A fork shows when the agent has something to say, or at its next Hello.
            const bool there = next == spool.first() || (agents_[index].forkable && next > spool.first());
            if (spool.unsynced() || spool.first() != spool.last() + 1 || !there) {
                return false;
            }
        }
    }
    for (std::size_t partition = 0; restored_ && partition < logs_.size(); ++partition) {
        if (database_.partitions[partition].stored.position.next_offset != logs_[partition].end()) {
            return false;
        }
    }
    return true;
}

void World::check_end() {
    check_streams();
    if (restored_) {  // of a spool that is no more nobody can tell what the older database lacks
        std::vector<std::uint8_t> held(contents_, 0);
        for (const auto& agent : agents_) {
            for (const auto& spool : agent.spools) {
                for (Seq seq = 1; seq <= spool.last(); ++seq) {
                    held[spool.entry(seq).content] = 1;
                }
            }
        }
        for (std::uint32_t content = 0; content < contents_; ++content) {
            not_promised_[content] = not_promised_[content] != 0 || held[content] == 0;
        }
    }
    for (std::uint32_t content = 0; content < contents_; ++content) {
        if (accepted_[content] && !not_promised_[content] && !database_.stored[content] &&
            !database_.stated_lost[content]) {
            violate("S6: content " + std::to_string(content) + " was accepted and is neither stored nor stated lost");
        }
    }
    for (std::size_t index = 0; index < agents_.size(); ++index) {
        for (std::size_t lane = 0; lane < lane_count; ++lane) {
            const auto& spool = agents_[index].spools[lane];
            const auto& stream = database_.open({index, static_cast<Lane>(lane), spool.spool_id()});
            for (Seq seq = 1; seq <= spool.last() && !stream.unverified; ++seq) {
                if (seq > stream.slots.size() || stream.slots[seq - 1].content != spool.entry(seq).content) {
                    violate("S4: what is settled is not what the agent had: two histories are mixed");
                    return;
                }
            }
        }
    }
}

}  // namespace mimamori::simulation
