// The correlator's half of the simulated service: leases, one transaction a poll, progress; what a record means is said
// by decide(), where to read by check_log().
#include <algorithm>

#include "simulation/world.h"

namespace mimamori::simulation {
namespace {

RecordBody body_of(const Record& record) {
    RecordBody body;
    body.first = record.first;
    body.last = record.last;
    body.h_before = record.h_before;
    body.h_after = record.h_after;
    body.digests = record.digests;
    body.kind = record.kind == Record::Kind::entries     ? RecordBody::Kind::entries
                : record.kind == Record::Kind::tombstone ? RecordBody::Kind::tombstone
                : record.kind == Record::Kind::damaged   ? RecordBody::Kind::damaged
                                                         : RecordBody::Kind::gone;
    return body;
}

}  // namespace

Stream& Database::open(const StreamKey& key) {
    const auto [at, is_new] = streams.try_emplace(key);
    if (is_new) {
        at->second.cursor.h = chain_origin(key.lane, key.spool_id);
    }
    return at->second;
}

bool World::correlator_step(std::size_t index) {
    const auto partition = random_.below(logs_.size());
    auto& worker = correlators_[index][partition];
    switch (worker.phase) {
        case Worker::Phase::idle:
            return random_.one_in(4) && take_lease(index, partition, false);
        case Worker::Phase::reading:
            return poll(worker, partition);
        case Worker::Phase::polled:
            return commit(worker, partition, CommitEnd::committed);
        case Worker::Phase::rows_pending:
            return write_pending(worker);
        case Worker::Phase::publishing:
            return publish(worker);
    }
    return false;
}

bool World::take_lease(std::size_t index, std::size_t partition, bool by_force) {
    auto& lease = database_.partitions[partition];
    bool held = false;
    for (std::size_t other = 0; other < correlators_.size(); ++other) {
        const auto& worker = correlators_[other][partition];
        held = held || (other != index && worker.phase != Worker::Phase::idle && worker.epoch == lease.epoch);
    }
    auto& worker = correlators_[index][partition];
    if (worker.phase != Worker::Phase::idle || held != by_force) {
        return false;
    }
    lease.epoch = worker.epoch = random_.next();
    note("correlator %zu takes partition %zu", index, partition);
    load(worker, partition);
    return true;
}

// Discards memory and reads the position anew; the log is compared with it.
void World::load(Worker& worker, std::size_t partition) {
    const auto epoch = worker.epoch;
    worker = {};
    worker.epoch = epoch;
    worker.phase = Worker::Phase::reading;
    const auto& stored = database_.partitions[partition].stored;
    worker.position = stored.position;
    const auto& log = logs_[partition];
    const auto* before = log.at(stored.position.next_offset - 1);
    const auto check = check_log(stored, {log.begin, log.end()}, before ? std::optional{before->id} : std::nullopt);
    if (!check.same()) {
        restart_log(worker, partition, check.start);
    }
}

void World::restart_log(Worker& worker, std::size_t partition, const LogPosition& start) {
    auto& stored = database_.partitions[partition].stored;
    const auto log_no = plan_.mutant == Mutant::log_no_never_raised ? stored.position.log_no : start.log_no;
    stored = {{log_no, start.next_offset}, std::nullopt};
    worker.position = stored.position;
    worker.progress = ProgressMessage{database_.generation, partition, stored.position, {}};
    worker.phase = Worker::Phase::publishing;
    note("partition %zu is read from %lld again, log_no %llu", partition, static_cast<long long>(start.next_offset),
         static_cast<unsigned long long>(log_no));
}

bool World::poll(Worker& worker, std::size_t partition) {
    const auto& log = logs_[partition];
    const auto offset = worker.position.next_offset;
    if (offset < log.begin || offset > log.end()) {  // out of range: look at the log again, under the fence
        if (worker.epoch != database_.partitions[partition].epoch) {
            worker = {};
        } else {
            load(worker, partition);
        }
        return true;
    }
    if (offset == log.end()) {
        return false;
    }
    const auto most = offset + 1 + static_cast<std::int64_t>(random_.below(4));
    for (auto at = offset; at < std::min(most, log.end()); ++at) {
        worker.polled.push_back(log.records[static_cast<std::size_t>(at - log.begin)]);
    }
    worker.phase = Worker::Phase::polled;
    return true;
}

bool World::commit(Worker& worker, std::size_t partition, CommitEnd end) {
    auto& lease = database_.partitions[partition];
    const bool fenced = plan_.mutant != Mutant::cursors_cached_without_fence;
    if (fenced && worker.epoch != lease.epoch) {
        end = CommitEnd::fenced;
    }
    LogPosition position = worker.position;
    position.next_offset += static_cast<std::int64_t>(worker.polled.size());
    ProgressMessage progress{database_.generation, partition, position, {}};
    if (plan_.mutant == Mutant::settled_too_early && !worker.published_early) {
        auto tentative = database_;
        for (const auto& record : worker.polled) {
            apply(worker, *record, tentative, progress);
        }
        for (auto& gateway : gateways_) {
            gateway.progress.push_back(progress);
        }
        worker.published_early = true;
        return true;
    }
    const bool takes_effect = end == CommitEnd::committed || (end == CommitEnd::unknown && random_.one_in(2));
    if (takes_effect) {
        for (const auto& record : worker.polled) {
            apply(worker, *record, database_, progress);
        }
        lease.stored = {position, worker.polled.back()->id};
        note("partition %zu is committed up to %lld", partition, static_cast<long long>(position.next_offset));
    }
    switch (after_commit(end)) {
        case AfterCommit::publish_progress:
            worker.position = position;
            worker.polled.clear();
            worker.progress = std::move(progress);
            worker.phase = worker.pending.empty() ? Worker::Phase::publishing : Worker::Phase::rows_pending;
            if (worker.published_early) {
                worker.published_early = false;
                worker.progress.reset();
                worker.phase = Worker::Phase::reading;
            }
            break;
        case AfterCommit::reload:
            load(worker, partition);
            break;
        case AfterCommit::give_up_the_partition:
            worker = {};
            break;
    }
    check_streams();
    return true;
}

void World::apply(Worker& worker, const Record& record, Database& database, ProgressMessage& progress) {
    if (record.kind == Record::Kind::tick) {
        return;
    }
    auto& stream = database.open(record.stream);
    auto cursor = stream.cursor;
    if (plan_.mutant == Mutant::cursors_cached_without_fence) {
        cursor = worker.cache.try_emplace(record.stream, cursor).first->second;
    }
    const auto decision = decide(cursor, body_of(record));
    const bool overlapping = record.first < cursor.next_seq && plan_.mutant == Mutant::overlapping_batch_skipped;
    switch (decision.decision) {
        case Application::Decision::skip_closed:
        case Application::Decision::skip_old:
        case Application::Decision::gap:
            break;
        case Application::Decision::malformed:
            violate("an agent that keeps to the protocol sent a malformed record");
            break;
        case Application::Decision::close_stream:
            note("agent %zu lane %zu: stream closed at %llu by %llu..%llu", record.stream.agent,
                 index_of(record.stream.lane), static_cast<unsigned long long>(cursor.next_seq),
                 static_cast<unsigned long long>(record.first), static_cast<unsigned long long>(record.last));
            if (!agents_[record.stream.agent].forkable) {
                violate("FQ: a stream is closed though no spool was restored");
            }
            stream.cursor.status = StreamStatus::closed;
            break;
        case Application::Decision::apply:
            if (overlapping) {
                break;
            }
            note("agent %zu lane %zu: %llu..%llu applied, kind %d", record.stream.agent, index_of(record.stream.lane),
                 static_cast<unsigned long long>(decision.from), static_cast<unsigned long long>(record.last),
                 static_cast<int>(record.kind));
            if (record.kind == Record::Kind::gone && !restored_) {
                violate("FG: a range is stated gone though no database was restored");
            }
            stream.unverified = stream.unverified || decision.note == Application::Note::unverified_past;
            ++kinds_applied_[static_cast<std::size_t>(record.kind)];
            for (Seq seq = decision.from; seq <= record.last; ++seq) {
                store_entry(database, record.stream, stream, seq, record.entries[seq - record.first], record.kind,
                            worker);
            }
            stream.cursor = decision.after;
            break;
    }
    if (plan_.mutant == Mutant::cursors_cached_without_fence) {
        worker.cache[record.stream] = decision.decision == Application::Decision::apply ? decision.after : cursor;
    }
    progress.streams.emplace_back(record.stream, stream.cursor);
}

void World::store_entry(Database& database, const StreamKey& key, Stream& stream, Seq seq, const Entry& entry,
                        Record::Kind kind, Worker& worker) {
    Slot slot{true, Outcome::detection, entry.content, entry.digest};
    if (kind != Record::Kind::entries) {
        slot.outcome = kind == Record::Kind::gone ? Outcome::gone : Outcome::tombstoned;
        database.stated_lost[entry.content] = 1;
    } else {
        slot.outcome = entry.kind == EntryKind::block      ? Outcome::block
                       : entry.kind == EntryKind::rejected ? Outcome::rejected
                       : entry.content % 11 == 0           ? Outcome::quarantined
                                                           : Outcome::detection;
        if (entry.suspect) {
            const StreamKey old_key{key.agent, key.lane, entry.suspect->spool_id};
            const auto old = database.streams.find(old_key);
            std::optional<Hash128> stored;
            if (old != database.streams.end() && entry.suspect->seq <= old->second.slots.size()) {
                const auto& row = old->second.slots[entry.suspect->seq - 1];
                const bool is_row =
                    row.filled && (row.outcome == Outcome::detection || row.outcome == Outcome::rejected ||
                                   row.outcome == Outcome::quarantined);
                stored = is_row ? std::optional{row.digest} : std::nullopt;
            }
            const auto place = std::tuple{old_key, entry.suspect->seq, entry.digest};
            const bool moved_before = plan_.mutant != Mutant::last_place_marked && database.moved.contains(place);
            if (moved_before || is_repeated(entry.digest, stored)) {
                slot.outcome = Outcome::skipped;
            } else if (entry.kind != EntryKind::block) {
                database.moved.insert(place);
            }
        }
        if (slot.outcome != Outcome::skipped) {
            const bool may_double = entry.kind == EntryKind::block && entry.suspect;  // "at most n doubled"
            if (++database.stored[entry.content] > 1 && !may_double && &database == &database_) {
                violate("S1: content " + std::to_string(entry.content) + " is stored twice");
            }
        }
    }
    ++kinds_applied_[slot.outcome == Outcome::skipped ? 5 : slot.outcome == Outcome::quarantined ? 6 : 7];
    stream.counters.add(slot.outcome);
    if (plan_.mutant == Mutant::cursor_outside_transaction) {
        worker.pending.emplace_back(key, slot);
        worker.pending_seq.push_back(seq);
        return;
    }
    stream.slots.resize(std::max<std::size_t>(stream.slots.size(), seq));
    stream.slots[seq - 1] = slot;
}

bool World::write_pending(Worker& worker) {
    for (std::size_t i = 0; i < worker.pending.size(); ++i) {
        auto& slots = database_.open(worker.pending[i].first).slots;
        const auto seq = worker.pending_seq[i];
        slots.resize(std::max<std::size_t>(slots.size(), seq));
        slots[seq - 1] = worker.pending[i].second;
    }
    worker.pending.clear();
    worker.pending_seq.clear();
    worker.phase = Worker::Phase::publishing;
    check_streams();
    return true;
}

bool World::publish(Worker& worker) {
    for (auto& gateway : gateways_) {
        gateway.progress.push_back(*worker.progress);
    }
    worker.progress.reset();
    worker.phase = Worker::Phase::reading;
    return true;
}

}  // namespace mimamori::simulation
