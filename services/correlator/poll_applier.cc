#include "correlator/poll_applier.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/seeded_fault.h"
#include "correlator/events.h"
#include "domain/detection_id.h"
#include "store/alarms.h"

namespace mimamori::correlator {

using adapters::wire::Body;
using base::FailureKind;
using delivery::CommitEnd;

namespace {

// Marks that no detection can need any more go after this time, an hour's worth at a time. Longer than the log is kept,
// so that a partition that is far behind still has its own.
constexpr base::Micros keep_signs = std::chrono::hours{24 * 40};
// Longer than any row is kept that a moved entry could repeat.
constexpr base::Micros keep_moved = std::chrono::hours{24 * 400};
constexpr base::Micros forget_interval = std::chrono::hours{1};
constexpr std::chrono::minutes clock_told_again{10};
constexpr std::size_t most_clocks_told = 10'000;

// Wrong data, a broken constraint, too large: only these are an entry's own fault. A missing right or table is not.
bool blames_entry(std::string_view sqlstate) {
    const auto kind = sqlstate.substr(0, 2);
    return kind == "22" || kind == "23" || kind == "54";
}

// A stream was closed by the gateway meanwhile, or two waited for each other: what is stored now decides anew.
bool is_passing(const base::Failure& failure, const Applied& out) {
    return failure.kind == FailureKind::conflict && out.end != CommitEnd::fenced && !out.generation_changed &&
           !out.newer_pack && !out.missing_pack;
}

}  // namespace

PollApplier::PollApplier(store::Connection& connection, const store::Lease& lease, const delivery::Generation& generation,
                         RulePacks& packs, platform::Events& events, const ApplierLimits& limits)
    : connection_{connection},
      lease_{lease},
      generation_{generation},
      packs_{packs},
      events_{events},
      limits_{limits},
      rentals_{limits.remember_rentals},
      block_keys_{limits.block_keys_per_hour} {}

Applied PollApplier::apply_poll(std::span<const LogRecord> records, const delivery::StoredPosition& position) {
    Applied out;
    out.position = {{position.position.log_no, records.back().offset + 1}, record_id_of(records.back().value)};
    pack_set_ = packs_.current();
    poll_ = {};
    for (const auto& record : records) {
        poll_.records.push_back(reader_.open(record));
    }
    auto done = attempt({}, out);
    if (!done && is_passing(done.error(), out) && !connection_.broken()) {
        block_keys_.clear();
        connection_.rollback();
        done = attempt({}, out);
    }
    if (!done && done.error().kind == FailureKind::refused && !connection_.broken()) {
        block_keys_.clear();
        connection_.rollback();
        const auto unstorable = find_unstorable(out);
        block_keys_.clear();
        connection_.rollback();
        if (!unstorable) {
            done = tl::unexpected{unstorable.error()};
            out.stuck = unstorable.error().kind == FailureKind::refused;
        } else if (unstorable->empty()) {
            out.stuck = true;
        } else {
            done = attempt(*unstorable, out);
            out.stuck = !done && done.error().kind == FailureKind::refused;
        }
    }
    return finish(std::move(out), std::move(done));
}

Applied PollApplier::move_position(const delivery::StoredPosition& to) {
    Applied out;
    out.position = to;
    poll_ = {};
    pack_set_.reset();  // nothing is judged
    auto done = open_transaction(to, &out);
    if (done) {
        done = connection_.commit();
    }
    return finish(std::move(out), std::move(done));
}

Applied PollApplier::finish(Applied out, base::Expected<void> done) {
    if (!done) {
        connection_.rollback();
        block_keys_.clear();
        out.failure = done.error();
        out.end = out.end == CommitEnd::fenced                ? CommitEnd::fenced
                  : done.error().kind == FailureKind::unknown ? CommitEnd::unknown
                                                              : CommitEnd::failed;
        return out;
    }
    out.end = CommitEnd::committed;
    block_keys_.make_room();
    for (const auto& stream : poll_.streams) {
        out.streams.push_back({stream.stored.id, stream.stored.key, stream.now});
        out.counted.detections += stream.added.detections;
        out.counted.blocks += stream.added.blocks;
        out.counted.skipped += stream.added.skipped;
        out.counted.rejected += stream.added.rejected;
        out.counted.quarantined += stream.added.quarantined;
        out.counted.tombstoned += stream.added.tombstoned;
        out.counted.gone += stream.added.gone;
    }
    out.gaps = poll_.gaps;
    out.old = poll_.old;
    for (const auto& alarm : poll_.alarms) {
        events_.emit(*alarm.event, {{"subject", alarm.subject}, {"detail", alarm.detail}, {"trace", alarm.trace}});
        if (alarm.event->id == clock_skew.id) {
            clocks_told_[alarm.subject] = std::chrono::steady_clock::now();
        }
    }
    poll_ = {};  // its views end with the caller's records
    return out;
}

base::Expected<void> PollApplier::attempt(const Unstorable& unstorable, Applied& out) {
    if (auto begun = open_transaction(out.position, &out); !begun) {
        return begun;
    }
    if (auto read = read_streams(); !read) {
        return read;
    }
    decide_batches(poll_, stream_index_, lease_.partition);
    EntryPlan plan{poll_, *pack_set_, judge_, block_keys_};
    auto done = plan.read(connection_, poll_.taken, unstorable);
    if (!done) {
        out.missing_pack = plan.missing_pack();
        return done;
    }
    plan.account();
    leave_out_told_clocks();
    done = plan.write(connection_, lease_.partition, limits_.unknown_signatures);
    if (done && !poll_.losses.empty()) {
        done = store::add_losses(connection_, poll_.losses);
    }
#ifdef MIMAMORI_SEEDED_FAULTS
    if (done && base::seeded_fault("cursor_outside_transaction")) {
        done = connection_.commit();
        base::in_seeded_window();
        done = done ? connection_.begin() : done;
    }
#endif
    if (done) {
        done = write_streams();
    }
    if (done) {
        done = raise_alarms();
    }
    const auto received = poll_.records.empty() ? base::Time{} : base::time_from_us(poll_.records.back().view.received_at_us);
    const bool forget = received - forgotten_at_ > forget_interval;
    if (done && forget) {
        done = store::forget_signs(connection_, received - keep_signs).and_then([&] {
            return store::forget_moved(connection_, received - keep_moved);
        });
    }
#ifdef MIMAMORI_SEEDED_FAULTS
    if (done && base::seeded_fault("progress_before_commit")) {
        Applied early = out;
        for (const auto& stream : poll_.streams) {
            early.streams.push_back({stream.stored.id, stream.stored.key, stream.now});
        }
        base::seeded_before_commit(&early);
        base::in_seeded_window();
    }
#endif
    if (done) {
        done = connection_.commit();
    }
    if (done) {
        forgotten_at_ = forget ? received : forgotten_at_;
        if (plan.unknown_not_listed() > 0) {
            events_.emit(unknown_signatures_full, {{"names", plan.unknown_not_listed()}});
        }
    }
    return done;
}

base::Expected<void> PollApplier::open_transaction(const delivery::StoredPosition& position, Applied* out) {
    if (auto begun = connection_.begin(); !begun) {
        return begun;
    }
    const auto fenced = store::fence(connection_, lease_, position);
    if (!fenced) {
        return tl::unexpected{fenced.error()};
    }
    if (!*fenced) {
        if (out != nullptr) {
            out->end = CommitEnd::fenced;
        }
        return base::failure(FailureKind::conflict, fmt::format("another correlator has partition {}", lease_.partition));
    }
    if ((*fenced)->generation != generation_) {
        if (out != nullptr) {
            out->generation_changed = true;
        }
        return base::failure(FailureKind::conflict, "the database is another generation: it was restored from a backup");
    }
    if (pack_set_ && (*fenced)->newest_pack > pack_set_->newest()) {
        if (out != nullptr) {
            out->newer_pack = true;
        }
        return base::failure(FailureKind::conflict, "a rule pack was loaded that is not compiled yet");
    }
    return {};
}

// The entries that are refused alone. Halves that go through need not be looked at one by one.
base::Expected<Unstorable> PollApplier::find_unstorable(const Applied& out) {
    if (auto begun = open_transaction(out.position, nullptr); !begun) {
        return tl::unexpected{begun.error()};
    }
    if (auto read = read_streams(); !read) {
        return tl::unexpected{read.error()};
    }
    decide_batches(poll_, stream_index_, lease_.partition);
    Unstorable found;
    std::vector<std::span<const TakenEntry>> parts;
    if (!poll_.taken.empty()) {
        parts.emplace_back(poll_.taken);
    }
    while (!parts.empty()) {
        const auto part = parts.back();
        parts.pop_back();
        if (auto saved = connection_.savepoint(); !saved) {
            return tl::unexpected{saved.error()};
        }
        EntryPlan plan{poll_, *pack_set_, judge_, block_keys_};
        auto tried = plan.read(connection_, part, {});
        if (tried) {
            tried = plan.write(connection_, lease_.partition, limits_.unknown_signatures);
        }
        const std::string sqlstate{connection_.last_sqlstate()};
        block_keys_.clear();
        if (auto back = connection_.rollback_to_savepoint(); !back) {
            return tl::unexpected{back.error()};
        }
        if (auto released = connection_.release_savepoint(); !released) {
            return tl::unexpected{released.error()};
        }
        if (tried) {
            continue;
        }
        if (!blames_entry(sqlstate)) {
            return tl::unexpected{tried.error()};
        }
        if (part.size() > 1) {
            parts.push_back(part.subspan(part.size() / 2));
            parts.push_back(part.first(part.size() / 2));
            continue;
        }
        found.emplace(std::pair{poll_.streams[part[0].stream].stored.key, part[0].seq}, tried.error().what);
    }
    return found;
}

base::Expected<void> PollApplier::read_streams() {
    poll_.streams.clear();
    poll_.taken.clear();
    poll_.losses.clear();
    poll_.alarms.clear();
    poll_.gaps = poll_.old = 0;
    stream_index_.clear();
    std::map<store::StreamKey, base::CustomerId> named;
    std::vector<base::RentalId> rentals;
    for (const auto& record : poll_.records) {
        if (record.state == OpenedRecord::State::unreadable || record.view.body == Body::tick) {
            continue;
        }
        if (named.emplace(store::StreamKey{record.view.rental, record.view.lane, record.view.spool_id}, record.view.customer).second) {
            rentals.push_back(record.view.rental);
        }
    }
    if (named.empty()) {
        return {};
    }
    std::sort(rentals.begin(), rentals.end());
    rentals.erase(std::unique(rentals.begin(), rentals.end()), rentals.end());
    if (auto loaded = rentals_.load(connection_, rentals); !loaded) {
        return loaded;
    }
    std::vector<store::NewStream> wanted;
    for (const auto& [key, customer] : named) {
        const auto* rental = rentals_.find(key.rental);
        if (rental == nullptr || rental->customer != customer) {
            poll_.alarm(rental_unknown, fmt::format("rental {}", key.rental.value),
                        fmt::format("a record says it is customer {}'s", customer.value));
            continue;
        }
        wanted.push_back({key, customer});
    }
    return wanted.empty() ? base::Expected<void>{} : load_streams(wanted);
}

base::Expected<void> PollApplier::load_streams(const std::vector<store::NewStream>& named) {
    std::vector<store::StreamKey> keys;
    for (const auto& stream : named) {
        keys.push_back(stream.key);
    }
    auto rows = store::find_streams(connection_, keys);
    if (rows && rows->size() < keys.size()) {
        std::vector<store::NewStream> missing;
        for (const auto& stream : named) {
            if (std::none_of(rows->begin(), rows->end(), [&](const auto& row) { return row.key == stream.key; })) {
                missing.push_back(stream);
            }
        }
        if (auto inserted = store::insert_streams(connection_, missing); !inserted) {
            return inserted;
        }
        rows = store::find_streams(connection_, keys);
    }
    if (!rows) {
        return tl::unexpected{rows.error()};
    }
    for (const auto& row : *rows) {
        PollStream stream;
        stream.stored = row;
        stream.now = row.cursor;
        stream.uuid = domain::stream_uuid(row.key.rental, row.key.lane, row.key.spool_id);
        stream.rental = rentals_.find(row.key.rental);
        stream_index_[row.key] = static_cast<std::uint32_t>(poll_.streams.size());
        poll_.streams.push_back(stream);
    }
    return {};
}

base::Expected<void> PollApplier::write_streams() {
    std::vector<store::StreamMove> moves;
    for (const auto& stream : poll_.streams) {
        if (stream.now != stream.stored.cursor) {
            moves.push_back({stream.stored.id, stream.stored.cursor, stream.now, stream.last_named, stream.added});
        }
    }
    return moves.empty() ? base::Expected<void>{} : store::move_streams(connection_, moves);
}

// A wrong clock is wrong in every poll: it is told once in a while.
void PollApplier::leave_out_told_clocks() {
    if (clocks_told_.size() > most_clocks_told) {
        clocks_told_.clear();
    }
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(poll_.alarms, [&](const auto& alarm) {
        const auto told = clocks_told_.find(alarm.subject);
        return alarm.event->id == clock_skew.id && told != clocks_told_.end() && now - told->second < clock_told_again;
    });
}

base::Expected<void> PollApplier::raise_alarms() {
    for (const auto& alarm : poll_.alarms) {
        if (auto raised = store::raise_alarm(connection_, alarm.event->id, alarm.subject, alarm.detail); !raised) {
            return raised;
        }
    }
    return {};
}

}  // namespace mimamori::correlator
