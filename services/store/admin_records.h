// The operator's records: rule packs, log partitions, alarms, audit log, status. Times are UTC.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/connection.h"

namespace mimamori::store {

Expected<void> add_audit(Connection& connection, std::string_view actor, std::string_view action, std::string_view object,
                         std::string_view detail_json);

struct StoredPack {
    std::int64_t id;
    bool made;  // false: this very pack was stored before
};
// Packs are immutable: refused if the version, or the same content under another version, is stored already.
Expected<StoredPack> add_rule_pack(Connection& connection, std::string_view version, base::Time effective_from,
                                   std::string_view content, std::string_view loaded_by);
// The same for the wording of mails.
Expected<StoredPack> add_mail_texts(Connection& connection, std::string_view version, base::Time effective_from,
                                    std::string_view content, std::string_view loaded_by);

// Rows 0 .. partitions - 1, once, within the caller's transaction. True if made now; refused if there is another number of them.
Expected<bool> make_log_partitions(Connection& connection, std::int32_t partitions);

// Monthly partitions of the time-partitioned tables.
// What roles, messages and agents call this database's life: another one after a backup was restored.
Expected<void> set_generation(Connection& connection, const std::array<std::uint8_t, 16>& generation);

Expected<void> ensure_partitions(Connection& connection, base::Time since, std::int32_t months);
// Drops whole months that end by `before`, of one of these tables, with every row in them; their names.
Expected<std::vector<std::string>> drop_partitions(Connection& connection, std::string_view table, base::Time before);

struct Alarm {
    std::int64_t id;
    std::string kind, subject, detail;
    std::int64_t count;
    base::Time opened_at, last_at;
    std::optional<base::Time> closed_at;
};
Expected<std::vector<Alarm>> list_alarms(Connection& connection, bool closed_too);  // at most 500
Expected<std::optional<Alarm>> close_alarm_by_id(Connection& connection, std::int64_t id);  // kind and subject; empty: not open

struct PartitionStatus {
    std::int64_t partition;
    std::string holder;
    bool leased;
    std::int64_t log_no, next_offset;
    std::optional<std::int64_t> lease_left_ms;  // below 0: it has run out; empty: never leased
};
struct OutboxStatus {
    std::string state;
    std::int64_t count;
    base::Time oldest;
};
struct AlarmStatus {
    std::string kind;
    std::int64_t count;
    base::Time oldest;
};
struct QuarantineStatus {
    std::string origin;
    std::int64_t count;
    base::Time newest;
};
struct AgentStatus {
    std::string utm_id, customer;
    bool connected;
    std::optional<base::Time> heard;  // empty: never
    std::string gateway, version;
    std::int64_t spool_bytes;  // -1: not told
    std::int64_t clock_offset_us;
};
struct Status {
    std::string schema_version;
    std::int64_t streams_open = 0, streams_closed = 0, streams_superseded = 0;
    std::int64_t detections = 0, blocks = 0, skipped = 0, rejected = 0, quarantined = 0, tombstoned = 0, gone = 0;
    std::int64_t entries_behind = 0;  // named by agents, not yet stored
    std::vector<PartitionStatus> partitions;
    std::vector<OutboxStatus> outbox;
    std::int64_t mail_items_open = 0;
    std::optional<base::Time> mail_items_oldest;
    std::int64_t agents_connected = 0, agents_known = 0;
    std::vector<AlarmStatus> alarms;
    std::vector<QuarantineStatus> quarantine;
    std::vector<AgentStatus> agents;  // at most 200, the longest silent first
};
// `heard_since`: an agent not heard of since then does not count as connected. `quarantined_since`: what is counted
// there.
Expected<Status> read_status(Connection& connection, base::Time heard_since, base::Time quarantined_since);

struct StreamMismatch {
    std::int64_t stream, detections, detection_rows, detection_numbers, rejected, rejected_rows, quarantined, quarantined_rows, quarantine_numbers;
};
// Streams opened since `since` whose rows are not what their counters say, the first hundred or so. Some streams a
// statement, so that no snapshot lasts as long as reading all rows does.
Expected<std::vector<StreamMismatch>> verify_streams(Connection& connection, base::Time since);
struct UntoldNews {
    std::int64_t customer;
    std::string what;
    std::int64_t count;
    bool is_defect;  // else it waits for somebody's mail address
};
// News and losses that are in no mail though they should be, or in a wrong one; at most 100.
Expected<std::vector<UntoldNews>> verify_mails(Connection& connection);
Expected<std::vector<std::int64_t>> verify_audit(Connection& connection);  // ids of rows that were tampered with

}  // namespace mimamori::store
