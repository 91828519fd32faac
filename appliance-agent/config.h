// The agent's settings: one TOML file (packaging/agent.toml explains every key). Unknown keys and wrong values are
// refused with the file's line; all of them are told at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "appliance-agent/sources/source.h"
#include "appliance-agent/spool/spool.h"
#include "appliance-agent/uplink/uplink.h"

namespace mimamori::agent {

struct SourceConfig {
    std::string id;
    sources::LineFormat format = sources::LineFormat::native;
    std::string path;  // of the file, or what is listened on: "udp://127.0.0.1:5514"
    std::optional<sources::ListenOptions> listen;
    std::size_t max_line_bytes = 1 << 20;
    std::chrono::minutes assumed_utc_offset{9 * 60};
};

struct Config {
    std::string state_dir;
    std::string firmware_version;       // fixed, or
    std::string firmware_version_file;  // the first line of this file, read at each connection
    std::chrono::milliseconds poll{100};
    std::chrono::milliseconds status_interval{5'000};
    std::chrono::milliseconds drain_limit{10'000};
    std::chrono::milliseconds hang_limit{300'000};
    spool::SpoolSettings spool;  // its folder is state_dir/spool
    uplink::UplinkSettings uplink;
    std::vector<SourceConfig> sources;
};

base::Expected<Config> read_config(const std::string& file);
// `name` stands for the file in messages.
base::Expected<Config> parse_config(std::string_view text, const std::string& name);

}  // namespace mimamori::agent
