#include <chrono>

#include <fmt/format.h>

#include "admin/commands.h"
#include "base/text.h"
#include "platform/events.h"
#include "store/admin_records.h"

namespace mimamori::admin {
namespace {

using platform::json_quoted;

// An agent sends a heartbeat at least every minute.
constexpr std::chrono::minutes heard_within{5};

std::string json_time(const std::optional<base::Time>& at) {
    return at ? fmt::format("\"{}\"", base::format_rfc3339(*at)) : "null";
}

// Subjects and details may hold what an attacker wrote: one line, no control characters.
std::string shown(std::string_view text) {
    return base::to_single_line(text);
}

std::string as_json(const store::Status& s) {
    std::string partitions;
    for (const auto& p : s.partitions) {
        partitions += fmt::format("{}{{\"partition\":{},\"holder\":{},\"leased\":{},\"log_no\":{},\"next_offset\":{}}}",
                                  partitions.empty() ? "" : ",", p.partition, json_quoted(p.holder), p.leased, p.log_no, p.next_offset);
    }
    std::string outbox;
    for (const auto& o : s.outbox) {
        outbox += fmt::format("{}{}:{{\"count\":{},\"oldest\":{}}}", outbox.empty() ? "" : ",", json_quoted(o.state), o.count,
                              json_time(o.oldest));
    }
    return fmt::format(
        "{{\"schema\":{},\"alarms_open\":{},\"streams\":{{\"open\":{},\"closed\":{},\"superseded\":{}}},"
        "\"entries\":{{\"detections\":{},\"blocks\":{},\"skipped\":{},\"rejected\":{},\"quarantined\":{},\"tombstoned\":{},"
        "\"gone\":{},\"behind\":{}}},\"partitions\":[{}],\"outbox\":{{{}}},\"mail_items\":{{\"open\":{},\"oldest\":{}}},"
        "\"agents\":{{\"connected\":{},\"known\":{}}}}}\n",
        json_quoted(s.schema_version), s.alarms_open, s.streams_open, s.streams_closed, s.streams_superseded, s.detections,
        s.blocks, s.skipped, s.rejected, s.quarantined, s.tombstoned, s.gone, s.entries_behind, partitions, outbox,
        s.mail_items_open, json_time(s.mail_items_oldest), s.agents_connected, s.agents_known);
}

std::string as_text(const store::Status& s) {
    std::string out = fmt::format(
        "schema      {}\nalarms      {} open{}\nagents      {} connected of {} known\n"
        "streams     {} open, {} closed, {} superseded\n"
        "entries     {} detections, {} blocks, {} skipped, {} rejected, {} quarantined, {} tombstoned, {} gone; {} behind\n"
        "mail items  {} open{}\n",
        s.schema_version, s.alarms_open, s.alarms_open == 0 ? "" : " (mimamori admin alarms list)", s.agents_connected,
        s.agents_known, s.streams_open, s.streams_closed, s.streams_superseded, s.detections, s.blocks, s.skipped, s.rejected,
        s.quarantined, s.tombstoned, s.gone, s.entries_behind, s.mail_items_open,
        s.mail_items_oldest ? fmt::format(", oldest of {} (Japan)", base::format_jst(*s.mail_items_oldest)) : "");
    for (const auto& o : s.outbox) {
        out += fmt::format("outbox      {} {}, oldest of {} (Japan)\n", o.count, o.state, base::format_jst(o.oldest));
    }
    for (const auto& p : s.partitions) {
        out += fmt::format("partition   {}: log {}, next offset {}, {}\n", p.partition, p.log_no, p.next_offset,
                           p.leased ? "held by " + shown(p.holder) : "held by nobody");
    }
    return out;
}

}  // namespace

Output list_alarms(const Context& context, bool closed_too) {
    auto connection = connect(context);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    return store::list_alarms(*connection, closed_too).map([&](const std::vector<store::Alarm>& alarms) {
        std::string out;
        for (const auto& a : alarms) {
            if (context.json) {
                out += fmt::format("{{\"id\":{},\"kind\":{},\"subject\":{},\"detail\":{},\"count\":{},\"opened_at\":{},"
                                   "\"last_at\":{},\"closed_at\":{}}}\n",
                                   a.id, json_quoted(a.kind), json_quoted(a.subject), json_quoted(a.detail), a.count,
                                   json_time(a.opened_at), json_time(a.last_at), json_time(a.closed_at));
            } else {
                out += fmt::format("{:>6}  {}  {} ({} times, last {} in Japan{})\n        {}\n", a.id, a.kind, shown(a.subject),
                                   a.count, base::format_jst(a.last_at), a.closed_at ? ", closed" : "", shown(a.detail));
            }
        }
        return out.empty() && !context.json ? std::string{"no open alarms\n"} : out;
    });
}

Output close_alarm(const Context& context, std::int64_t id) {
    std::string what;
    return audited(context,
                   [&](store::Connection& connection) {
                       return store::close_alarm_by_id(connection, id)
                           .and_then([&](const std::optional<store::Alarm>& alarm) -> base::Expected<Audit> {
                               if (!alarm) {
                                   return base::failure(base::FailureKind::refused, fmt::format("there is no open alarm {}", id));
                               }
                               what = fmt::format("{} {}", alarm->kind, shown(alarm->subject));
                               return Audit{"alarm.close", fmt::format("alarm {}", id)};
                           });
                   })
        .map([&] { return fmt::format("closed: {}\n", what); });
}

Output show_status(const Context& context) {
    auto connection = connect(context);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    return store::read_status(*connection, context.clock.now() - heard_within).map([&](const store::Status& status) {
        return context.json ? as_json(status) : as_text(status);
    });
}

Output ensure_partitions(const Context& context, int months) {
    return audited(context,
                   [&](store::Connection& connection) {
                       return store::ensure_partitions(connection, context.clock.now(), months).map([&] {
                           return Audit{"partitions.ensure", "partitions", fmt::format("{{\"months\":{}}}", months)};
                       });
                   })
        .map([&] { return fmt::format("monthly partitions are there for {} months from now\n", months); });
}

Output verify(const Context& context, int days) {
    auto connection = connect(context);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    auto streams = store::verify_streams(*connection, context.clock.now() - std::chrono::days{days});
    auto mails = store::verify_mails(*connection);
    auto audit = store::verify_audit(*connection);
    if (!streams || !mails || !audit) {
        return tl::unexpected{!streams ? streams.error() : !mails ? mails.error() : audit.error()};
    }
    std::string wrong;
    for (const auto& s : *streams) {
        wrong += fmt::format("stream {}: detections {} by its counter, {} rows, {} numbers; rejected {} and {}; quarantined {} and {}\n",
                             s.stream, s.detections, s.detection_rows, s.detection_numbers, s.rejected, s.rejected_rows,
                             s.quarantined, s.quarantined_rows);
    }
    std::string waiting;
    for (const auto& news : *mails) {
        (news.is_defect ? wrong : waiting) +=
            fmt::format("customer {}: {} ({})\n", news.customer, news.what, news.count);
    }
    for (const auto id : *audit) {
        wrong += fmt::format("audit log row {}: its hash does not follow from the row before\n", id);
    }
    if (!wrong.empty()) {
        return base::failure(base::FailureKind::refused, wrong + waiting);
    }
    return fmt::format(
        "{}streams opened within {} days hold what their counters say; news and losses are each in one mail or wait "
        "for their hour; the audit log is whole\n",
        waiting, days);
}

}  // namespace mimamori::admin
