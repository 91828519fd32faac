// One detection from its entry to its mails, for the operator. Reads only; every list is bounded by its statement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/connection.h"

namespace mimamori::store {

struct TracedPlace {
    std::int64_t stream, seq;
};
// Reads all detections received since then: a detection's id has no index.
Expected<std::optional<TracedPlace>> find_detection(Connection& connection, std::string_view uuid, base::Time since);

struct TracedStream {
    std::int64_t lane;
    std::string spool_id;
    std::int64_t next_seq;
    bool closed;
    std::string close_reason, utm_id, customer, site;
};
struct TracedDetection {
    std::string id;
    std::optional<base::Time> observed, corrected;
    base::Time received;
    std::int64_t severity;
    bool mailable;
    std::string pack, rule, class_id, name, source_format, source_id, raw;
    std::optional<std::int64_t> finding;
};
struct TracedQuarantine {
    base::Time received;
    std::string origin;
    std::int64_t kind;
    std::string reason;
};
struct TracedLoss {
    std::string kind;
    std::int64_t first, last;
    bool at_least;
    base::Time recorded;
};
struct TracedEntry {
    std::optional<TracedStream> stream;  // empty: there is no such stream
    std::vector<TracedDetection> detections;
    std::vector<TracedQuarantine> quarantine;
    std::vector<TracedLoss> losses;
};
Expected<TracedEntry> trace_entry(Connection& connection, const TracedPlace& place);

struct TracedItem {
    std::int64_t id;
    std::string kind;
    std::int64_t severity, detections;
    base::Time created;
    std::optional<std::int64_t> digest;
    std::optional<base::Time> window_end, closed;
};
struct TracedMail {
    std::int64_t id, digest;
    std::string address, message_id, state;
    std::int64_t attempts, data_attempts, in_doubt;
    base::Time created;
    std::optional<base::Time> sent;
    std::string last_reply;
};
struct TracedMember {
    TracedPlace place;
    std::string id;
    base::Time received;
};
struct TracedFinding {
    std::int64_t id;
    std::string alert_id, customer;
    std::int64_t severity;
    std::string class_id;
    std::int64_t count;
    std::string pack, rule;
    base::Time created, last_received;
    std::vector<TracedMember> newest;
    std::vector<TracedItem> items;
    std::vector<TracedMail> mails;
};
// By アラートID, or by the finding's number.
Expected<std::vector<TracedFinding>> trace_findings(Connection& connection, std::string_view alert_id,
                                                    std::optional<std::int64_t> finding);

}  // namespace mimamori::store
