#include "bench/load/report.h"

#include <cstdio>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "base/text.h"

namespace mimamori::bench {
namespace {

std::string json_of(const Histogram& times) {
    return fmt::format(R"({{"count":{},"p50_us":{},"p99_us":{},"p999_us":{},"max_us":{}}})", times.count(),
                       times.at(0.5), times.at(0.99), times.at(0.999), times.max());
}

std::string json_of(const Appliance& appliance, const Traffic& traffic) {
    std::string streams;
    for (const auto lane : {delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup}) {
        const auto& spool = appliance.spool(lane);
        const auto last = spool.last_durable();
        streams += fmt::format(R"({}{{"lane":{},"spool_id":"{}","entries":{},"h":"{}"}})", streams.empty() ? "" : ",",
                               static_cast<int>(lane), base::to_hex(spool.spool_id()), last,
                               base::to_hex(spool.h_before(last + 1)));
    }
    std::map<std::string, std::uint64_t> blocks;
    for (std::size_t i = 0; i < appliance.made().size(); ++i) {
        const auto& line = traffic.line(static_cast<std::uint32_t>(i));
        if (line.kind == delivery::EntryKind::block && appliance.made()[i] > 0) {
            blocks[line.block_key] += appliance.made()[i] * line.block_count;
        }
    }
    std::string tallies;
    for (const auto& [key, count] : blocks) {
        const auto tab = key.find('\t');
        tallies += fmt::format(R"({}["{}","{}",{}])", tallies.empty() ? "" : ",", key.substr(0, tab),
                               key.substr(tab + 1), count);
    }
    return fmt::format(R"({{"utm_id":"{}","streams":[{}],"blocks":[{}]}})", appliance.utm_id(), streams, tallies);
}

}  // namespace

void tell(const char* event, const Run& run, const Standing& s) {
    const auto seconds = run.began_us == 0 ? 0.0 : static_cast<double>(steady_us() - run.began_us) / 1e6;
    fmt::print(R"({{"event":"{}","seconds":{:.3f},"connected":{},"entries":{},"settled":{},"owed":{},"under_way":{}}})"
               "\n",
               event, seconds, s.connected, s.entries, s.settled, s.owed, s.under_way);
    std::fflush(stdout);
}

base::Expected<void> write_report(const Options& options, const Traffic& traffic, const Run& run,
                                  const std::vector<std::unique_ptr<Driver>>& drivers) {
    Tally sum;
    std::ofstream out{options.out};
    for (const auto& driver : drivers) {
        const auto& tally = driver->tally();
        sum.entries += tally.entries;
        sum.batches += tally.batches;
        sum.settled += tally.settled;
        sum.rewinds += tally.rewinds;
        sum.connections += tally.connections;
        sum.ended += tally.ended;
        sum.latencies.settled.add(tally.latencies.settled);
        sum.latencies.visible.add(tally.latencies.visible);
        sum.last_end = tally.last_end.empty() ? sum.last_end : tally.last_end;
    }
    for (auto& c : sum.last_end) {
        c = c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    out << fmt::format(
        R"({{"entries":{},"batches":{},"settled":{},"settled_in_phases":{},"rewinds":{},"connections":{},"ended":{},)"
        R"("last_end":"{}","phase_seconds":{:.3f},"seconds":{:.3f},"latency_settled":{},"latency_visible":{},)"
        "\n\"appliances\":[",
        sum.entries, sum.batches, sum.settled, run.settled_in_phases, sum.rewinds, sum.connections, sum.ended,
        sum.last_end, static_cast<double>(run.phases_ended_us - run.began_us) / 1e6,
        static_cast<double>(run.settled_us - run.began_us) / 1e6, json_of(sum.latencies.settled),
        json_of(sum.latencies.visible));
    const char* separator = "\n";
    for (const auto& driver : drivers) {
        for (const auto& appliance : driver->appliances()) {
            out << separator << json_of(*appliance, traffic);
            separator = ",\n";
        }
    }
    out << "\n]}\n";
    out.flush();
    if (!out) {
        return base::failure(base::FailureKind::refused,
                             fmt::format("cannot write {}: check path and rights", options.out));
    }
    return {};
}

}  // namespace mimamori::bench
