#include <algorithm>
#include <chrono>
#include <map>

#include <fmt/format.h>

#include "adapters/kafka/consumer.h"
#include "admin/commands.h"
#include "base/text.h"
#include "platform/events.h"
#include "store/admin_records.h"

namespace mimamori::admin {
namespace {

using platform::json_quoted;
using std::chrono::milliseconds;

// An agent sends a heartbeat at least every minute.
constexpr std::chrono::minutes heard_within{5};
constexpr std::chrono::days quarantined_within{7};
constexpr milliseconds kafka_patience{5'000};  // for all partitions together

// What the broker holds beyond what is applied.
struct Lag {
    std::int64_t log_end = 0;
    std::int64_t behind = 0;                // records not applied; below 0: the log was replaced
    std::optional<base::Time> waits_since;  // since when the first of them stands in the log, where it could be read
};
struct Log {
    std::map<std::int64_t, Lag> partitions;
    std::string trouble;  // why some or all are not told
};

Log ask_kafka(const platform::Config& config, const std::vector<store::PartitionStatus>& partitions) {
    Log out;
    auto kafka = platform::read_kafka(config);
    if (!kafka) {
        out.trouble = kafka.error().what;
        return out;
    }
    auto consumer = adapters::kafka::Consumer::make({.bootstrap = kafka->bootstrap, .client_id = "mimamori-admin"});
    if (!consumer) {
        out.trouble = consumer.error().what;
        return out;
    }
    const auto deadline = std::chrono::steady_clock::now() + kafka_patience;
    for (const auto& p : partitions) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left <= milliseconds{0}) {
            out.trouble = fmt::format("Kafka at {} took longer than {} s for all partitions", kafka->bootstrap,
                                      kafka_patience.count() / 1000);
            break;
        }
        const auto partition = static_cast<std::int32_t>(p.partition);
        const auto marks = (*consumer)->query_watermarks(kafka->batches_topic, partition, left);
        if (!marks) {
            out.trouble = fmt::format("Kafka at {} does not answer: {}", kafka->bootstrap, marks.error().what);
            break;
        }
        Lag lag{marks->high, marks->high - p.next_offset, std::nullopt};
        if (lag.behind > 0) {
            const auto first =
                (*consumer)->read_record(kafka->batches_topic, partition, std::max(p.next_offset, marks->low), left);
            if (first && *first && (*first)->timestamp_ms() >= 0) {
                lag.waits_since = base::time_from_us((*first)->timestamp_ms() * 1000);
            }
        }
        out.partitions.emplace(p.partition, lag);
    }
    return out;
}

std::string json_time(const std::optional<base::Time>& at) {
    return at ? fmt::format("\"{}\"", base::format_rfc3339(*at)) : "null";
}

template <class Range, class Make>
std::string json_list(const Range& range, const Make& make) {
    std::string out;
    for (const auto& one : range) {
        out += (out.empty() ? "" : ",") + make(one);
    }
    return out;
}

std::string as_json(const store::Status& s, const Log& log) {
    const auto partitions = json_list(s.partitions, [&](const auto& p) {
        const auto found = log.partitions.find(p.partition);
        const auto lag = found == log.partitions.end()
                             ? std::string{"\"log_end\":null,\"behind\":null,\"waits_since\":null"}
                             : fmt::format("\"log_end\":{},\"behind\":{},\"waits_since\":{}", found->second.log_end,
                                           found->second.behind, json_time(found->second.waits_since));
        return fmt::format(
            "{{\"partition\":{},\"holder\":{},\"leased\":{},\"lease_left_ms\":{},\"log_no\":{},\"next_offset\":{},{}}}",
            p.partition, json_quoted(p.holder), p.leased, p.lease_left_ms ? fmt::to_string(*p.lease_left_ms) : "null",
            p.log_no, p.next_offset, lag);
    });
    const auto outbox = json_list(s.outbox, [](const auto& o) {
        return fmt::format("{}:{{\"count\":{},\"oldest\":{}}}", json_quoted(o.state), o.count, json_time(o.oldest));
    });
    const auto alarms = json_list(s.alarms, [](const auto& a) {
        return fmt::format("{}:{{\"count\":{},\"oldest\":{}}}", json_quoted(a.kind), a.count, json_time(a.oldest));
    });
    const auto quarantine = json_list(s.quarantine, [](const auto& q) {
        return fmt::format("{}:{{\"count\":{},\"newest\":{}}}", json_quoted(q.origin), q.count, json_time(q.newest));
    });
    const auto agents = json_list(s.agents, [](const auto& a) {
        return fmt::format(
            "{{\"utm_id\":{},\"customer\":{},\"connected\":{},\"heard\":{},\"gateway\":{},\"version\":{},\"spool_"
            "bytes\":{},"
            "\"clock_offset_us\":{}}}",
            json_quoted(a.utm_id), json_quoted(a.customer), a.connected, json_time(a.heard), json_quoted(a.gateway),
            json_quoted(a.version), a.spool_bytes, a.clock_offset_us);
    });
    return fmt::format(
        "{{\"schema\":{},\"alarms\":{{{}}},\"streams\":{{\"open\":{},\"closed\":{},\"superseded\":{}}},"
        "\"entries\":{{\"detections\":{},\"blocks\":{},\"skipped\":{},\"rejected\":{},\"quarantined\":{},"
        "\"tombstoned\":{},"
        "\"gone\":{},\"behind\":{}}},\"kafka\":{{\"answers\":{},\"detail\":{}}},\"partitions\":[{}],\"outbox\":{{{}}},"
        "\"mail_items\":{{\"open\":{},\"oldest\":{}}},\"quarantine_7_days\":{{{}}},\"agents\":{{\"connected\":{},"
        "\"known\":{},\"list\":[{}]}}}}\n",
        json_quoted(s.schema_version), alarms, s.streams_open, s.streams_closed, s.streams_superseded, s.detections,
        s.blocks, s.skipped, s.rejected, s.quarantined, s.tombstoned, s.gone, s.entries_behind, log.trouble.empty(),
        json_quoted(log.trouble), partitions, outbox, s.mail_items_open, json_time(s.mail_items_oldest), quarantine,
        s.agents_connected, s.agents_known, agents);
}

// "3 min", to one unit: how old something is at a glance.
std::string age(base::Time now, base::Time at) {
    const auto seconds = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - at).count());
    return seconds < 120       ? fmt::format("{} s", seconds)
           : seconds < 7'200   ? fmt::format("{} min", seconds / 60)
           : seconds < 172'800 ? fmt::format("{} h", seconds / 3'600)
                               : fmt::format("{} days", seconds / 86'400);
}

std::string partition_line(const store::PartitionStatus& p, const Log& log, base::Time real_now) {
    auto out = fmt::format("partition   {}: ", p.partition);
    out += p.leased ? fmt::format("held by {} for {} s more", base::to_single_line(p.holder),
                                  p.lease_left_ms.value_or(0) / 1000)
                    : std::string{"held by nobody"};
    out += fmt::format("; log {}, applied up to offset {}", p.log_no, p.next_offset);
    const auto found = log.partitions.find(p.partition);
    if (found == log.partitions.end()) {
        return out + ", Kafka not asked or silent\n";
    }
    const auto& lag = found->second;
    if (lag.behind < 0) {
        return out + fmt::format(", but the log ends at {}: it was replaced\n", lag.log_end);
    }
    return out +
           fmt::format(" of {}, {} behind{}\n", lag.log_end, lag.behind,
                       lag.waits_since ? ", the first has waited " + age(real_now, *lag.waits_since) : std::string{});
}

// Times of the log, of alarms and of the outbox are real time, also where tests steer the service's clock.
std::string as_text(const store::Status& s, const Log& log, base::Time real_now, base::Time now) {
    std::string out = fmt::format(
        "schema      {}\nagents      {} connected of {} known\n"
        "streams     {} open, {} closed, {} superseded\n"
        "entries     {} detections, {} blocks, {} skipped, {} rejected, {} quarantined, {} tombstoned, {} gone; {} "
        "behind\n"
        "mail items  {} open{}\n",
        s.schema_version, s.agents_connected, s.agents_known, s.streams_open, s.streams_closed, s.streams_superseded,
        s.detections, s.blocks, s.skipped, s.rejected, s.quarantined, s.tombstoned, s.gone, s.entries_behind,
        s.mail_items_open,
        s.mail_items_oldest ? ", the oldest for " + age(real_now, *s.mail_items_oldest) : std::string{});
    if (s.alarms.empty()) {
        out += "alarms      none is open\n";
    }
    for (const auto& a : s.alarms) {
        out += fmt::format("alarm       {} ({}), the oldest for {}: see the runbook and `mimamori admin alarms list`\n",
                           a.kind, a.count, age(real_now, a.oldest));
    }
    for (const auto& o : s.outbox) {
        out += fmt::format("outbox      {} {}, the oldest of {} ago\n", o.count, o.state, age(real_now, o.oldest));
    }
    for (const auto& q : s.quarantine) {
        out += fmt::format("quarantine  {} {} within 7 days, the newest of {} ago\n", q.count, q.origin,
                           age(now, q.newest));
    }
    if (!log.trouble.empty()) {
        out += fmt::format("kafka       {}\n", base::to_single_line(log.trouble));
    }
    for (const auto& p : s.partitions) {
        out += partition_line(p, log, real_now);
    }
    for (const auto& a : s.agents) {
        out += fmt::format(
            "agent       {} of {}: {}{}{}{}\n", a.utm_id, base::to_single_line(a.customer),
            !a.heard      ? "never heard of"
            : a.connected ? "connected to " + base::to_single_line(a.gateway)
                          : std::string{"not connected"},
            a.heard ? fmt::format(", heard of {} ago", age(now, *a.heard)) : std::string{},
            a.heard && a.spool_bytes >= 0 ? fmt::format(", {} KiB spooled", a.spool_bytes / 1024) : std::string{},
            a.clock_offset_us != 0 ? fmt::format(", its clock off by {} ms", a.clock_offset_us / 1000) : std::string{});
    }
    return out;
}

}  // namespace

Output show_status(const Context& context) {
    auto connection = connect(context);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    const auto now = context.clock.now();
    auto status = store::read_status(*connection, now - heard_within, now - quarantined_within);
    if (!status) {
        return tl::unexpected{status.error()};
    }
    const auto log = ask_kafka(context.config, status->partitions);
    if (context.json) {
        return as_json(*status, log);
    }
    return as_text(*status, log, std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now()), now);
}

}  // namespace mimamori::admin
