// A database with one tenant, the shipped rule pack and a leased partition, and an applier on it.
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>

#include <fmt/format.h>

#include "correlator/log_maker.h"
#include "correlator/poll_applier.h"
#include "platform/events.h"
#include "platform/metrics.h"
#include "store/admin_records.h"

namespace mimamori::test {

template <class T>
T must(base::Expected<T> value) {
    if (!value) {
        throw std::runtime_error(value.error().what);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*value);
    }
}

inline std::string shipped_pack() {
    std::ifstream in{std::string{MIMAMORI_SOURCE_DIR} + "/packs/mimamori-2020.yaml"};
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    if (at == std::string::npos) {
        throw std::runtime_error("the pack does not contain: " + from);
    }
    return text.replace(at, from.size(), to);
}

class Fixture {
  public:
    explicit Fixture(correlator::ApplierLimits limits = {}, bool with_pack = true)
        : tenant{database.make_tenant("one")}, limits_{limits}, events{"correlator", metrics, ::open("/dev/null", O_WRONLY)}, packs{events} {
        auto admin = database.connect("admin");
        must(store::make_log_partitions(admin, 2));
        if (with_pack) {
            load_pack(shipped_pack(), "2020.1", base::from_civil_utc({2020, 3, 31, 15, 0, 0, 0}));
        }
        if (!must(store::take_lease(connection, lease, "test"))) {
            throw std::runtime_error("the partition is not free");
        }
        restart();
    }

    void load_pack(const std::string& content, const std::string& version, base::Time from) {
        auto admin = database.connect("admin");
        must(store::add_rule_pack(admin, version, from, content, "test"));
        must(packs.refresh(connection, from));
    }

    // A new applier, as after a restart of the worker: position and everything else come from the database.
    void restart() {
        applier = std::make_unique<correlator::PollApplier>(connection, lease, generation(), packs, events, limits_);
        position = must(store::read_position(connection, lease));
    }

    delivery::Generation generation() {
        return must(store::read_leases(connection)).generation;
    }

    // One poll with these records, at the next offsets; the position goes on if it commits.
    correlator::Applied apply(const std::vector<std::string>& records) {
        std::vector<correlator::LogRecord> log;
        auto offset = position.position.next_offset;
        for (const auto& record : records) {
            log.push_back({offset++, record});
        }
        auto applied = applier->apply_poll(log, position);
        if (applied.end == delivery::CommitEnd::committed) {
            position = applied.position;
        }
        return applied;
    }
    // The same, and it must commit.
    correlator::Applied commit(const std::vector<std::string>& records) {
        auto applied = apply(records);
        if (applied.end != delivery::CommitEnd::committed) {
            throw std::runtime_error("not committed: " + applied.failure.what);
        }
        return applied;
    }

    std::int64_t count(const std::string& from) { return database.integer("select count(*) from " + from); }
    // One line a row, columns separated by '|'.
    std::vector<std::string> rows(const std::string& sql) {
        std::vector<std::string> out;
        for (const auto& row : database.query(sql)) {
            std::string line;
            for (const auto& cell : row) {
                line += (&cell == &row.front() ? "" : "|") + cell;
            }
            out.push_back(line);
        }
        return out;
    }
    // Everything the correlator writes, without what differs between two runs (ids of rows, times of writing).
    std::vector<std::string> written() {
        std::vector<std::string> out;
        for (const auto* sql :
             {"select id, seq, severity, mailable, class, rule_id, received_at from detections order by 1",
              "select device_key, class, alert_id, severity, detections, name, observed_at, first_observed_at, last_observed_at, last_received_at from findings order by alert_id",
              "select f.alert_id, m.severity, m.kind, m.detections, m.first_observed_at, m.last_observed_at from mail_items m join findings f on f.id = m.finding_id order by 1, 2",
              "select device_key, sign, at from device_signs order by 1, 2, 3",
              "select hour, kind, key, category, count from block_tallies order by 1, 2, 3",
              "select function, direction, name, first_seen_at, last_seen_at, count from unknown_signatures order by 3",
              "select seq, origin, entry_kind, reason, payload from quarantine order by stream_id, seq",
              "select kind, first_seq, last_seq, entries, at_least, urgent, by_function from losses order by stream_id, first_seq",
              "select lane, next_seq, h_before, status, detections, blocks, skipped, rejected, quarantined, tombstoned, gone from streams order by spool_id"}) {
            const auto some = rows(sql);
            out.insert(out.end(), some.begin(), some.end());
        }
        return out;
    }

    TestDatabase database;
    Tenant tenant;
    correlator::ApplierLimits limits_;
    store::Connection connection = database.connect("correlator");
    store::Lease lease{0, base::random_bytes16(), std::chrono::minutes{10}};
    platform::Metrics metrics;
    platform::Events events;
    correlator::RulePacks packs;
    std::unique_ptr<correlator::PollApplier> applier;
    delivery::StoredPosition position;
};

}  // namespace mimamori::test
