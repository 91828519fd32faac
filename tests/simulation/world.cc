// The walk itself: which step comes next, which fault strikes, and when it is over.
#include "simulation/world.h"

#include <algorithm>
#include <cstring>

namespace mimamori::simulation {

const std::array<const char*, fault_count> fault_names{
    "agent_killed", "gateway_killed", "correlator_killed", "connection_broken", "delivery_failed",  "lease_lost",
    "log_wiped",    "log_tail_lost",  "retention_passed",  "progress_lost",     "progress_doubled", "spool_from_image",
    "spool_lost",   "spool_full",     "segment_damaged",   "database_restored", "commit_unknown"};

const std::array<const char*, mutant_count> mutant_names{"none",
                                                         "settled-too-early",
                                                         "freed-on-received",
                                                         "cursors-cached-without-fence",
                                                         "no-hash-in-settled",
                                                         "fork-moves-before-close",
                                                         "overlapping-batch-skipped",
                                                         "no-tick",
                                                         "log-no-never-raised",
                                                         "rewind-by-timeout",
                                                         "cursor-outside-transaction",
                                                         "sent-before-fsync",
                                                         "last-place-marked"};

std::uint64_t Random::next() {  // splitmix64
    state += 0x9E3779B97F4A7C15ULL;
    auto z = state;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}

Hash128 World::random16() {
    Hash128 bytes;
    const std::array<std::uint64_t, 2> words{random_.next(), random_.next()};
    std::memcpy(bytes.data(), words.data(), bytes.size());
    return bytes;
}

World::World(const Plan& plan) : plan_{plan}, random_{plan.seed}, agents_(1 + random_.below(3)) {
    const auto partitions = 1 + random_.below(2);
    most_contents_ = static_cast<std::uint32_t>(4 + random_.below(40));
    database_.generation = random16();
    database_.partitions.resize(partitions);
    database_.stored.assign(most_contents_, 0);
    database_.stated_lost.assign(most_contents_, 0);
    logs_.resize(partitions);
    for (std::size_t partition = 0; partition < partitions; ++partition) {
        logs_[partition].begin = random_.one_in(2) ? 0 : 1'000'000;  // a log that has run for long
        database_.partitions[partition].stored.position = {1, logs_[partition].begin};
    }
    correlators_.assign(2, std::vector<Worker>(partitions));
    for (std::size_t index = 0; index < agents_.size(); ++index) {
        auto& agent = agents_[index];
        agent.partition = index % partitions;
        agent.adopts = random_.one_in(2);
        agent.lanes = static_cast<std::uint32_t>(1 + random_.below(lane_count));
        for (std::size_t lane = 0; lane < lane_count; ++lane) {
            agent.spools[lane].create(static_cast<Lane>(lane), random16(), plan.mutant == Mutant::sent_before_fsync);
        }
    }
    gateways_.resize(2);
    restart_gateway(0);
    restart_gateway(1);
}

bool World::step(bool calm) {
    now_ms_ += 20;
    const auto turn = random_.below(pace_[0] + pace_[1] + pace_[2]);
    if (turn < pace_[0]) {
        return agent_step(random_.below(agents_.size()), calm);
    }
    return turn < pace_[0] + pace_[1] ? gateway_step(random_.below(gateways_.size()))
                                      : correlator_step(random_.below(correlators_.size()));
}

bool World::fault(Fault which) {
    const auto index = random_.below(agents_.size());
    auto& agent = agents_[index];
    const auto lane = random_.below(agent.lanes);
    auto& spool = agent.spools[lane];
    const auto partition = random_.below(logs_.size());
    auto& log = logs_[partition];
    auto& gateway = gateways_[random_.below(gateways_.size())];
    auto& worker = correlators_[random_.below(correlators_.size())][partition];
    switch (which) {
        case Fault::agent_killed:
            for (auto& each : agent.spools) {
                each.lose_unsynced();
            }
            lose_connection(index);
            return true;
        case Fault::gateway_killed:
            restart_gateway(static_cast<std::size_t>(&gateway - gateways_.data()));
            return true;
        case Fault::correlator_killed: {
            const bool worked = worker.phase != Worker::Phase::idle;
            worker = {};
            check_streams();
            return worked;
        }
        case Fault::connection_broken:
            if (agent.connection == 0) {
                return false;
            }
            lose_connection(index);
            return true;
        case Fault::delivery_failed: {
            auto& mine = gateway.partitions[partition];
            if (mine.queue.empty()) {
                return false;
            }
            auto lost = std::move(mine.queue.front());
            mine.queue.pop_front();
            if (random_.one_in(3)) {  // it did land, but nobody could say so
                log.records.push_back(lost.record);
            }
            lost.failed = true;
            mine.reports.push_back(std::move(lost));
            return true;
        }
        case Fault::lease_lost:
            return take_lease(random_.below(correlators_.size()), partition, true);
        case Fault::log_wiped:
            log = {};
            return true;
        case Fault::log_tail_lost: {
            const auto lost = 1 + random_.below(6);
            if (log.records.size() < lost) {
                return false;
            }
            log.records.resize(log.records.size() - lost);
            return true;
        }
        case Fault::retention_passed: {
            if (log.records.empty()) {
                return false;
            }
            const auto passed = 1 + random_.below(log.records.size());
            log.records.erase(log.records.begin(), log.records.begin() + static_cast<std::ptrdiff_t>(passed));
            log.begin += static_cast<std::int64_t>(passed);
            return true;
        }
        case Fault::progress_lost:
            if (gateway.progress.empty()) {
                return false;
            }
            gateway.progress.pop_front();
            return true;
        case Fault::progress_doubled:
            return handle_progress(gateway, true);
        case Fault::spool_from_image:
            if (!agent.image) {
                agent.image = agent.spools;
                for (auto& each : *agent.image) {
                    each.lose_unsynced();
                }
                note("an image of agent %zu is taken", index);
                return false;
            }
            for (std::size_t i = 0; i < lane_count; ++i) {
                for (Seq seq = 1; seq <= agent.spools[i].last(); ++seq) {
                    not_promised_[agent.spools[i].entry(seq).content] = 1;
                }
            }
            for (std::size_t i = 0; i < lane_count; ++i) {
                for (Seq seq = 1; seq <= (*agent.image)[i].last(); ++seq) {
                    // What was damaged in a forked spool cannot always be told from what another history has there.
                    const bool damaged = (*agent.image)[i].form(seq) == SimulatedSpool::Form::damaged;
                    not_promised_[(*agent.image)[i].entry(seq).content] = damaged ? 1 : 0;
                }
            }
            lose_connection(index);
            agent.spools = *agent.image;
            agent.forkable = true;
            return true;
        case Fault::spool_lost:
            if (spool.last() == 0) {
                return false;
            }
            for (Seq seq = 1; seq <= spool.last(); ++seq) {
                not_promised_[spool.entry(seq).content] = 1;
            }
            lose_connection(index);
            spool.create(static_cast<Lane>(lane), random16(), plan_.mutant == Mutant::sent_before_fsync);
            agent.image.reset();
            return true;
        case Fault::spool_full:
        case Fault::segment_damaged: {
            // Segments hold two or three entries, at fixed places; the last one is still being written.
            const bool damaged = which == Fault::segment_damaged;
            const Seq size = 2 + spool.spool_id()[0] % 2;
            for (Seq first = 1; first + size <= spool.last_durable() && !spool.unsynced(); first += size) {
                const Seq last = first + size - 1;
                if (last >= spool.first() && spool.form(first) == SimulatedSpool::Form::whole &&
                    spool.form(last) == SimulatedSpool::Form::whole) {
                    spool.give_up(first, last, damaged);
                    for (Seq seq = first; seq <= last && damaged && agent.forkable; ++seq) {
                        not_promised_[spool.entry(seq).content] = 1;
                    }
                    return true;
                }
            }
            return false;
        }
        case Fault::database_restored:
            if (!backup_) {
                backup_ = database_;
                note("a backup of the database is taken");
                return false;
            }
            database_ = *backup_;
            database_.generation = random16();
            database_.stored.resize(most_contents_);
            restored_ = true;
            for (auto& workers : correlators_) {
                for (auto& each : workers) {
                    each = {};
                }
            }
            restart_gateway(0);
            restart_gateway(1);
            return true;
        case Fault::commit_unknown:
            return worker.phase == Worker::Phase::polled && commit(worker, partition, CommitEnd::unknown);
    }
    return false;
}

std::optional<Violation> World::walk() {
    const auto wanted = 30 + random_.below(600);
    const auto budget = random_.below(25);
    const std::array<std::uint64_t, 4> rates{5, 15, 50, 200};
    const auto rate = rates[random_.below(rates.size())];
    // Mostly a few kinds of fault at a time: rare ones meet each other more often that way.
    const auto kinds =
        plan_.allowed_faults & (random_.one_in(3) ? ~0U : static_cast<std::uint32_t>(random_.next() & random_.next()));
    const std::array<std::uint64_t, 4> paces{1, 4, 12, 40};
    for (auto& pace : pace_) {
        pace = paces[random_.below(paces.size())];
    }
    const auto attempts_of = [](std::uint64_t steps) { return steps * 40; };
    for (std::uint64_t done = 0, tries = 0; done < wanted && tries < attempts_of(wanted) && !violation_; ++tries) {
        if (kinds != 0 && faults_ < budget && random_.one_in(rate)) {
            auto which = random_.below(fault_count);
            while ((kinds >> which & 1U) == 0) {
                which = (which + 1) % fault_count;
            }
            if (fault(static_cast<Fault>(which))) {
                note("FAULT %s", fault_names[which]);
                ++faults_;
                ++steps_;
                for (auto& agent : agents_) {
                    agent.rewinds = {};
                }
            }
        } else if (step(false)) {
            ++done;
            ++steps_;
        }
    }
    for (auto& agent : agents_) {
        agent.rewinds = {};
    }
    pace_ = {1, 2, 1};
    constexpr std::uint64_t patience = 400'000;
    std::uint64_t tries = 0;
    while (!violation_ && !all_settled() && tries < patience) {
        steps_ += step(true) ? 1U : 0U;
        ++tries;
    }
    if (!violation_ && tries == patience) {
        violate("S6: faults have stopped, yet it never settles");
    }
    if (!violation_) {
        check_end();
    }
    return violation_;
}

}  // namespace mimamori::simulation
