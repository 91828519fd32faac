// The status file: what the agent is doing, as JSON, for the appliance's own supervision and for people. Replaced as a
// whole.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "appliance-agent/sources/source.h"
#include "appliance-agent/uplink/uplink.h"
#include "base/failure.h"

namespace mimamori::agent {

struct LaneStatus {
    std::uint64_t first = 0, last = 0;  // entries held
    std::uint64_t not_settled = 0;      // as far as the gateway has told
};

struct Status {
    std::string version;
    std::int64_t at_us = 0;
    bool waiting_for_room = false;  // the spool is full of what may not be given up: logs are not read on
    std::uint64_t spool_bytes = 0, max_spool_bytes = 0, given_up_entries = 0;
    std::array<LaneStatus, domain::delivery::lane_count> lanes;
    uplink::UplinkState uplink;
    std::vector<std::pair<std::string, sources::SourceStats>> sources;
};

std::string json_of(const Status& status);

// Small files that the agent keeps: read whole, or replaced as a whole.
base::Expected<std::string> read_small_file(const std::string& path);
base::Expected<void> replace_file(const std::string& path, std::string_view contents);

}  // namespace mimamori::agent
