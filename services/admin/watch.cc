#include <chrono>

#include <fmt/format.h>

#include "admin/commands.h"
#include "admin/settings.h"
#include "base/text.h"
#include "platform/events.h"
#include "store/admin_records.h"

namespace mimamori::admin {
namespace {

using platform::json_quoted;

constexpr std::string_view partitioned[] = {"detections", "quarantine", "block_tallies"};

std::string json_time(const std::optional<base::Time>& at) {
    return at ? fmt::format("\"{}\"", base::format_rfc3339(*at)) : "null";
}

// Subjects and details may hold what an attacker wrote: one line, no control characters.
std::string shown(std::string_view text) {
    return base::to_single_line(text);
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

Output ensure_partitions(const Context& context, int months) {
    return audited(context,
                   [&](store::Connection& connection) {
                       return store::ensure_partitions(connection, context.clock.now(), months).map([&] {
                           return Audit{"partitions.ensure", "partitions", fmt::format("{{\"months\":{}}}", months)};
                       });
                   })
        .map([&] { return fmt::format("monthly partitions are there for {} months from now\n", months); });
}

Output drop_partitions(const Context& context, int older_than_days) {
    auto settings = read_settings(context.config);
    if (!settings) {
        return tl::unexpected{settings.error()};
    }
    if (older_than_days < settings->retention_days) {
        return base::failure(
            base::FailureKind::refused,
            fmt::format(
                "rows are kept for {} days (setting admin.retention_days): --older-than-days {} would drop some "
                "that must stay",
                settings->retention_days, older_than_days));
    }
    std::string names, dropped;
    auto done = audited(context, [&](store::Connection& connection) -> base::Expected<Audit> {
        for (const auto table : partitioned) {
            auto gone =
                store::drop_partitions(connection, table, context.clock.now() - std::chrono::days{older_than_days});
            if (!gone) {
                return tl::unexpected{gone.error()};
            }
            for (const auto& name : *gone) {
                names += fmt::format("{}{}", names.empty() ? "" : ",", json_quoted(name));
                dropped += fmt::format("dropped: {}\n", name);
            }
        }
        return Audit{"partitions.drop", "partitions",
                     fmt::format("{{\"older_than_days\":{},\"dropped\":[{}]}}", older_than_days, names)};
    });
    return done.map([&] {
        return dropped.empty() ? fmt::format("no month lies wholly more than {} days back\n", older_than_days)
                               : dropped;
    });
}

Output verify(const Context& context, int days) {
    auto connection = connect(context, true);
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
        wrong += fmt::format("stream {}: detections {} by its counter, {} rows, {} numbers; rejected {} and {}, quarantined {} and {}, {} numbers\n",
                             s.stream, s.detections, s.detection_rows, s.detection_numbers, s.rejected, s.rejected_rows,
                             s.quarantined, s.quarantined_rows, s.quarantine_numbers);
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
