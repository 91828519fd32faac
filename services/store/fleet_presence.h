// Presence of agents, and where the reader of the presence topic stands, in one transaction.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "store/connection.h"

namespace mimamori::store {

struct PresenceRow {
    base::RentalId rental;
    base::CustomerId customer;
    base::ApplianceId appliance;
    std::string gateway;
    std::string session_id;  // 16 bytes
    bool connected = false;
    std::int64_t connected_at_us = 0;  // 0: not told
    base::Time heard_at{};
    std::int64_t clock_offset_us = 0;
    std::string agent_version, firmware_version, appliance_model;  // empty: not told
    std::int64_t spool_bytes = -1, rejected_lines = -1;            // -1: not told
};

using TopicCursors = std::map<std::int32_t, std::int64_t>;  // partition to the offset of the next record wanted
Expected<TopicCursors> topic_cursors(Connection& connection, std::string_view topic);

// One partition's step from `from` to `to`.
struct CursorStep {
    std::int32_t partition;
    std::int64_t from, to;  // from: -1 where there was no cursor
};

// Writes `rows` (at most one a rental) and moves the cursors, or nothing. Fails with conflict if another process has moved a cursor or
// is doing so: read the cursors again.
Expected<void> store_presence(Connection& connection, std::string_view topic, std::span<const CursorStep> steps,
                              std::span<const PresenceRow> rows);

struct SilentAgent {
    std::string subject, detail;
};
// Raises an alarm for agents that were once heard of, still have a rental, and were last heard of before this time; at
// most 100 of them, the longest silent first. Those whose alarm is open already are left as they are.
Expected<std::vector<SilentAgent>> raise_silent_agents(Connection& connection, std::string_view kind,
                                                       base::Time heard_before);
// The same for all agents together; false if none was ever heard of.
Expected<bool> raise_silence_of_all(Connection& connection, std::string_view kind, std::string_view subject,
                                    std::string_view detail);
// Closes the alarms of that kind, except those of `but`, where that is no longer so.
Expected<void> close_heard_agents(Connection& connection, std::string_view kind, std::string_view but,
                                  base::Time heard_before);

}  // namespace mimamori::store
