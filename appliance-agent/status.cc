#include "appliance-agent/status.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "appliance-agent/log.h"

namespace mimamori::agent {

std::string json_of(const Status& status) {
    namespace delivery = domain::delivery;
    std::string lanes;
    for (std::size_t i = 0; i < status.lanes.size(); ++i) {
        const auto& lane = status.lanes[i];
        lanes += fmt::format("{}\n    \"{}\": {{\"first\": {}, \"last\": {}, \"not_settled\": {}}}", i == 0 ? "" : ",",
                             delivery::lane_names[i], lane.first, lane.last, lane.not_settled);
    }
    std::string sources;
    for (const auto& [id, stats] : status.sources) {
        std::string kinds;
        for (const auto& [kind, count] : stats.skipped_kinds) {
            kinds += fmt::format("{}{}: {}", kinds.empty() ? "" : ", ", json_text(kind), count);
        }
        sources += fmt::format(
            "{}\n    {{\"id\": {}, \"lines\": {}, \"events\": {}, \"blocks\": {}, \"rejected\": {}, \"skipped\": {}, "
            "\"already_spooled\": {}, "
            "\"held\": {}, \"rotations\": {}, \"truncations\": {}, \"files_lost\": {}, \"datagrams_lost\": {}, "
            "\"peers_refused\": {}, \"connections\": {}, \"connections_over\": {}, \"connections_idle\": {}, "
            "\"skipped_kinds\": {{{}}}, \"last_trouble\": {}}}",
            sources.empty() ? "" : ",", json_text(id), stats.lines, stats.events, stats.blocks, stats.rejected,
            stats.skipped, stats.already_spooled, stats.held, stats.rotations, stats.truncations, stats.files_lost,
            stats.datagrams_lost, stats.peers_refused, stats.connections, stats.connections_over,
            stats.connections_idle, kinds, json_text(stats.last_trouble));
    }
    const auto& up = status.uplink;
    return fmt::format(
        "{{\n  \"version\": {},\n  \"time\": \"{}\",\n  \"waiting_for_room\": {},\n  \"spool\": {{\"bytes\": {}, "
        "\"max_bytes\": {}, \"given_up_entries\": {}}},\n"
        "  \"lanes\": {{{}\n  }},\n"
        "  \"uplink\": {{\"connected\": {}, \"address\": {}, \"last_error\": {}, \"clock_offset_us\": {}, "
        "\"connections\": {}, \"batches_sent\": {}, "
        "\"entries_sent\": {}, \"settled_entries\": {}, \"rewinds\": {}, \"forks\": {}}},\n  \"sources\": [{}\n  "
        "]\n}}\n",
        json_text(status.version), base::format_rfc3339(base::time_from_us(status.at_us)), status.waiting_for_room,
        status.spool_bytes, status.max_spool_bytes, status.given_up_entries, lanes, up.connected, json_text(up.address),
        json_text(up.last_error), up.clock_offset_us, up.connections, up.batches_sent, up.entries_sent,
        up.settled_entries, up.rewinds, up.forks, sources);
}

base::Expected<std::string> read_small_file(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    if (!in) {
        return base::failure(base::FailureKind::refused, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    }
    std::string out(64U << 10U, '\0');
    in.read(out.data(), static_cast<std::streamsize>(out.size()));
    out.resize(static_cast<std::size_t>(in.gcount()));
    return out;
}

base::Expected<void> replace_file(const std::string& path, std::string_view contents) {
    const auto temporary = path + ".tmp";
    std::ofstream out{temporary, std::ios::binary | std::ios::trunc};
    out << contents;
    out.close();
    if (!out || std::rename(temporary.c_str(), path.c_str()) != 0) {
        return base::failure(base::FailureKind::retry, fmt::format("cannot write {}: {}", path, std::strerror(errno)));
    }
    return {};
}

}  // namespace mimamori::agent
