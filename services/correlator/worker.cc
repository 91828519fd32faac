#include "correlator/worker.h"

#include <array>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "base/seeded_fault.h"
#include "correlator/events.h"
#include "store/alarms.h"

namespace mimamori::correlator {

using adapters::kafka::Consumer;
using base::FailureKind;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds broker_patience{3'000};
constexpr milliseconds reconnect_pause{1'000};
constexpr milliseconds pack_pause{100};
// A transaction costs as much as some hundred entries, and each stream in it as much as one or two: after one of few
// entries the next waits for more to come, also of the same streams.
constexpr std::size_t enough_entries = 4'000;
constexpr milliseconds longest_gather{500};

bool is_small(const std::vector<adapters::kafka::Record>& records) {
    std::size_t entries = 0;
    for (auto record = records.begin(); record != records.end() && entries < enough_entries; ++record) {
        entries += size_of(record->value()).entries;
    }
    return entries > 0 && entries < enough_entries;
}

}  // namespace

void pause(std::stop_token stop, milliseconds time) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock{mutex};
    wake.wait_for(lock, stop, time, [] { return false; });
}

PartitionWorker::PartitionWorker(const Parts& parts, const store::Lease& lease)
    : parts_{parts},
      lease_{lease},
      health_{parts.process.health().check(fmt::format("partition {}", lease.partition))},
      thread_{[this](std::stop_token stop) { run(stop); }} {}

PartitionWorker::~PartitionWorker() {
    thread_.request_stop();
    thread_.join();
    health_.ok();  // what is not ours is not our trouble
}

void PartitionWorker::run(std::stop_token stop) {
    auto& events = parts_.process.events();
    while (!stop.stop_requested()) {
        auto ended = session(stop);
        if (!ended) {
            health_.bad(ended.error().what);
            events.emit(partition_interrupted, {{"partition", lease_.partition},
                                                {"failure", platform::kind_name(ended.error().kind)},
                                                {"detail", ended.error().what}});
            pause(stop, ended.error().kind == FailureKind::conflict ? milliseconds{20} : reconnect_pause);
        } else if (*ended == Session::over) {
            break;
        }
    }
    ended_ = true;
}

base::Expected<PartitionWorker::Session> PartitionWorker::session(std::stop_token stop) {
    auto connection = store::Connection::open(parts_.settings.login);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    auto position = store::read_position(*connection, lease_);
    if (!position && position.error().kind == FailureKind::conflict) {
        parts_.process.events().emit(partition_lost, {{"partition", lease_.partition}});
        return Session::over;
    }
    if (!position) {
        return tl::unexpected{position.error()};
    }
    position_ = *position;
    renewed_at_ = {};
    if (auto kept = keep_lease(*connection); !kept) {
        return tl::unexpected{kept.error()};
    }
    PollApplier applier{*connection,          lease_, parts_.generation, parts_.packs, parts_.process.events(),
                        parts_.settings.limits};
#ifdef MIMAMORI_SEEDED_FAULTS
    base::seeded_before_commit = [this](const void* applied) {
        parts_.progress.tell(parts_.generation, lease_.partition, *static_cast<const Applied*>(applied));
    };
#endif
    for (;;) {
        auto consumer = find_place(*connection, applier);
        if (!consumer) {
            return tl::unexpected{consumer.error()};
        }
        const auto place = position_.position;
        auto ended = read_log(stop, *connection, applier, **consumer);
        if (!ended || *ended != Session::check_again || stop.stop_requested()) {
            return ended;
        }
        if (position_.position == place) {  // a record that cannot be had, perhaps for good
            pause(stop, reconnect_pause);
        }
    }
}

base::Expected<std::unique_ptr<Consumer>> PartitionWorker::make_consumer() const {
    return Consumer::make({.bootstrap = parts_.settings.kafka.bootstrap,
                           .client_id = "mimamori-correlator",
                           .queue_bytes = parts_.settings.fetch_bytes,
                           .fetch_wait = parts_.settings.poll_wait});
}

// Each client is assigned once: librdkafka 2.0.2 aborts the process (rktp_started) when a partition is assigned anew while
// the broker goes away.
base::Expected<std::unique_ptr<Consumer>> PartitionWorker::find_place(store::Connection& connection, PollApplier& applier) {
    const auto& topic = parts_.settings.kafka.batches_topic;
    if (auto kept = keep_lease(connection); !kept) {
        return tl::unexpected{kept.error()};
    }
    auto asking = make_consumer();
    if (!asking) {
        return asking;
    }
    auto marks = (*asking)->query_watermarks(topic, lease_.partition, broker_patience);
    if (!marks) {
        return tl::unexpected{marks.error()};
    }
    std::optional<delivery::RecordId> before;
    const auto offset = position_.position.next_offset;
    if (position_.last_record && offset > marks->low && offset <= marks->high) {
        auto record = (*asking)->read_record(topic, lease_.partition, offset - 1, broker_patience);
        if (!record) {
            return tl::unexpected{record.error()};
        }
        if (*record) {
            before = record_id_of((*record)->value());
        }
    }
    const auto check = delivery::check_log(position_, {marks->low, marks->high}, before);
    if (!check.same()) {
        const auto detail = fmt::format("log {} was read up to offset {}, the broker holds {} to {}: now log {} from {}",
                                        position_.position.log_no, offset, marks->low, marks->high, check.start.log_no,
                                        check.start.next_offset);
        auto moved = applier.move_position({check.start, std::nullopt});
        if (moved.end != delivery::CommitEnd::committed) {
            return tl::unexpected{moved.failure};
        }
        position_ = moved.position;
        parts_.process.events().emit(log_replaced, {{"partition", lease_.partition}, {"detail", detail}});
        if (auto raised = store::raise_alarm(connection, log_replaced.id, fmt::format("partition {}", lease_.partition), detail); !raised) {
            return tl::unexpected{raised.error()};
        }
        parts_.progress.tell(parts_.generation, lease_.partition, moved);
    }
    auto consumer = make_consumer();
    if (consumer) {
        auto assigned = (*consumer)->assign(std::array{adapters::kafka::Position{topic, lease_.partition, position_.position.next_offset}});
        if (!assigned) {
            return tl::unexpected{assigned.error()};
        }
    }
    return consumer;
}

base::Expected<PartitionWorker::Session> PartitionWorker::read_log(std::stop_token stop, store::Connection& connection,
                                                                   PollApplier& applier, Consumer& consumer) {
    while (!stop.stop_requested()) {
        const auto polled = consumer.poll(parts_.settings.poll_records, parts_.settings.poll_wait);
        const auto began = steady_clock::now();
        auto applied = apply(stop, connection, applier, polled.records);
        if (!applied) {
            return tl::unexpected{applied.error()};
        }
        if (*applied) {
            return **applied;
        }
        if (polled.problems.empty()) {
            health_.ok();
        } else {
            health_.bad(polled.problems[0].what);
            parts_.process.events().emit(partition_interrupted, {{"partition", lease_.partition}, {"detail", polled.problems[0].what}});
            return Session::check_again;
        }
        if (auto kept = keep_lease(connection); !kept) {
            return tl::unexpected{kept.error()};
        }
        const bool all = polled.records.size() < parts_.settings.poll_records;  // that was there
        if (all && is_small(polled.records)) {
            gather(stop, std::chrono::ceil<milliseconds>(steady_clock::now() - began));
        }
    }
    return Session::over;
}

base::Expected<std::optional<PartitionWorker::Session>> PartitionWorker::apply(
    std::stop_token stop, store::Connection& connection, PollApplier& applier, const std::vector<adapters::kafka::Record>& records) {
    std::vector<LogRecord> part;
    RecordSize size;
    const auto flush = [&]() -> base::Expected<std::optional<Session>> {
        auto done = part.empty() ? base::Expected<std::optional<Session>>{std::nullopt} : apply_part(stop, connection, applier, part);
        part.clear();
        size = {};
        return done;
    };
    for (const auto& record : records) {
        if (record.offset() < position_.position.next_offset) {
            continue;
        }
        const auto more = size_of(record.value());
        const auto& settings = parts_.settings;
        if (size.bytes + more.bytes > settings.poll_bytes || size.entries + more.entries > settings.poll_entries) {
            if (auto done = flush(); !done || *done) {
                return done;
            }
        }
        part.push_back({record.offset(), record.value()});
        size.bytes += more.bytes;
        size.entries += more.entries;
    }
    return flush();
}

base::Expected<std::optional<PartitionWorker::Session>> PartitionWorker::apply_part(std::stop_token stop, store::Connection& connection,
                                                                                    PollApplier& applier, std::span<const LogRecord> part) {
    for (;;) {
        const auto began = steady_clock::now();
        const auto applied = applier.apply_poll(part, position_);
        if (applied.end == delivery::CommitEnd::committed) {
            position_ = applied.position;
            renewed_at_ = began;
            parts_.progress.tell(parts_.generation, lease_.partition, applied);
            count(applied, steady_clock::now() - began, record_time(part.back()));
            if (std::exchange(pack_alarm_, false)) {
                health_.ok();
                (void)store::close_alarm(connection, rule_pack_missing.id, fmt::format("partition {}", lease_.partition));
            }
            if (std::exchange(stuck_, false)) {
                (void)store::close_alarm(connection, partition_stuck.id, fmt::format("partition {}", lease_.partition));
            }
            return std::nullopt;
        }
        if (applied.end == delivery::CommitEnd::fenced) {
            parts_.process.events().emit(partition_lost, {{"partition", lease_.partition}});
            return Session::over;
        }
        if (applied.generation_changed) {
            parts_.process.events().emit(correlator_generation_changed, {{"partition", lease_.partition}});
            parts_.process.request_stop(applied.failure);
            return Session::over;
        }
        if (!applied.missing_pack && !applied.newer_pack) {
            if (applied.stuck) {
                stuck_ = true;
                parts_.process.events().emit(partition_stuck, {{"partition", lease_.partition}, {"detail", applied.failure.what}});
                if (auto raised = store::raise_alarm(connection, partition_stuck.id, fmt::format("partition {}", lease_.partition),
                                                     applied.failure.what); !raised) {
                    return tl::unexpected{raised.error()};
                }
            }
            return tl::unexpected{applied.failure};
        }
        if (auto waited = wait_for_pack(stop, connection, applied); !waited) {
            return tl::unexpected{waited.error()};
        }
        if (stop.stop_requested()) {
            return Session::over;
        }
    }
}

base::Expected<void> PartitionWorker::wait_for_pack(std::stop_token stop, store::Connection& connection, const Applied& applied) {
    const auto why = applied.missing_pack ? applied.missing_pack->why : PackSet::Why::not_compiled;
    if (why == PackSet::Why::unusable) {  // told by those who tried to compile it
        pack_alarm_ = true;
        health_.bad("the rule pack in force cannot be used");
    } else if (why == PackSet::Why::none_in_force && !pack_alarm_) {
        pack_alarm_ = true;
        health_.bad("no rule pack is in force: load one with `mimamori admin pack load`");
        parts_.process.events().emit(rule_pack_missing, {{"partition", lease_.partition}, {"detail", applied.failure.what}});
        if (auto raised = store::raise_alarm(connection, rule_pack_missing.id, fmt::format("partition {}", lease_.partition),
                                             applied.failure.what);
            !raised) {
            return raised;
        }
    }
    parts_.packs.want(applied.missing_pack ? applied.missing_pack->id : 0);
    pause(stop, pack_pause);
    return keep_lease(connection);
}

// Waits for more to come, so that small transactions take at most a quarter of the time: on a busy machine fewer and
// larger ones are what makes room for the others. One that took long for once is no reason to wait longer.
void PartitionWorker::gather(std::stop_token stop, milliseconds took) {
    const auto counted = std::min(took, usually_took_);
    usually_took_ = (3 * usually_took_ + took) / 4;
    const auto wait = std::max(parts_.settings.gather - took, std::min(3 * counted, longest_gather));
    if (wait > milliseconds{0}) {
        pause(stop, wait);
    }
}

// A third of the lease leaves room for two failures.
base::Expected<void> PartitionWorker::keep_lease(store::Connection& connection) {
    if (steady_clock::now() - renewed_at_ < lease_.length / 3) {
        return {};
    }
    auto renewed = store::renew_lease(connection, lease_);
    if (renewed) {
        renewed_at_ = steady_clock::now();
    }
    return renewed;
}

void PartitionWorker::count(const Applied& applied, steady_clock::duration took, base::Time received) {
    auto& metrics = parts_.process.metrics();
    const auto entries = [&](const char* outcome, std::uint64_t many) {
        if (many > 0) {
            metrics.counter("mimamori_correlator_entries_total", "Entries applied, by what became of them.", {{"outcome", outcome}})
                .Increment(static_cast<double>(many));
        }
    };
    entries("detection", applied.counted.detections);
    entries("block", applied.counted.blocks);
    entries("skipped", applied.counted.skipped);
    entries("rejected", applied.counted.rejected);
    entries("quarantined", applied.counted.quarantined);
    entries("tombstoned", applied.counted.tombstoned);
    entries("gone", applied.counted.gone);
    const auto batches = [&](const char* why, std::uint64_t many) {
        if (many > 0) {
            metrics.counter("mimamori_correlator_batches_passed_total", "Batches that were not applied: gap (what lies between is missing), old (applied before).",
                            {{"why", why}}).Increment(static_cast<double>(many));
        }
    };
    batches("gap", applied.gaps);
    batches("old", applied.old);
    const auto labels = platform::Labels{{"partition", fmt::to_string(lease_.partition)}};
    metrics.gauge("mimamori_correlator_next_offset", "How far the log is applied.", labels).Set(static_cast<double>(position_.position.next_offset));
    metrics.gauge("mimamori_correlator_received_age_seconds", "Since the gateway received what was applied last.", labels)
        .Set(std::chrono::duration<double>(parts_.process.clock().now() - received).count());
    metrics.histogram("mimamori_correlator_transaction_seconds", "One poll, from begin to commit.", platform::latency_bounds())
        .Observe(std::chrono::duration<double>(took).count());
}

}  // namespace mimamori::correlator
