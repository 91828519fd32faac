#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "adapters/pack_yaml/pack_yaml.h"
#include "admin/commands.h"
#include "base/text.h"
#include "domain/rule_pack.h"
#include "domain/severity.h"
#include "store/reports.h"

namespace mimamori::admin {
namespace {

struct Table {
    std::string_view name, statement;
    std::vector<std::string_view>
        header;  // "function", "direction" and "severity" hold numbers that are shown as names
};

const std::vector<Table>& tables() {
    static const std::vector<Table> all{
        {"severity", "report_severity", {"function", "direction", "severity", "detections", "customers"}},
        {"sides", "report_sides", {"function", "side", "detections", "customers"}},
        {"customers", "report_customers", {"class", "members", "any", "av", "ips", "wg"}},
        {"threats", "report_threats", {"function", "rank", "threat", "detections", "percent", "customers"}},
        {"weeks",
         "report_weeks",
         {"prefecture", "function", "month", "week", "detections", "customers", "most_of_customer", "most"}},
        {"mails", "report_mails", {"policy", "detections", "mails", "customers"}},
    };
    return all;
}

template <std::size_t N>
std::string named(const std::string& number, const std::array<std::string_view, N>& names) {
    std::size_t at = N;
    std::from_chars(number.data(), number.data() + number.size(), at);
    return at < N ? std::string{names[at]} : number;
}

// What was seen is written by strangers: one line, and no tab that would shift the columns.
std::string cell(std::string_view column, const std::string& value) {
    if (column == "function") {
        return named(value, domain::function_names);
    }
    if (column == "direction") {
        return named(value, domain::direction_names);
    }
    if (column == "severity") {
        return named(value, domain::severity_names);
    }
    return base::to_single_line(value);
}

std::string as_text(const Table& table, const std::vector<store::TextRow>& rows) {
    std::string out = fmt::format("{}\n", fmt::join(table.header, "\t"));
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < table.header.size(); ++i) {
            out += i == 0 ? "" : "\t";
            out += cell(table.header[i], row[i]);
        }
        out += '\n';
    }
    return out;
}

base::Expected<base::Time> time_from(const std::string& option, const std::string& given) {
    const bool date_only = given.find(':') == std::string::npos;
    const auto at = base::parse_timestamp(date_only ? given + " 00:00:00" : given, std::chrono::minutes{9 * 60});
    if (!at) {
        return base::failure(
            base::FailureKind::refused,
            fmt::format("{}: \"{}\" is no time; write as 2020-09-01 or 2020-09-01T00:00:00+09:00", option, given));
    }
    return *at;
}

// Every policy that a pack holds, whichever is in force: the same verdicts, mailed by other rules.
void add_cells(const domain::RulePack& pack, std::int64_t id, store::MailedCells& out) {
    for (const auto& policy : pack.mail_policies) {
        for (std::size_t severity = 1; severity < policy.mailed.size(); ++severity) {
            for (std::size_t cell = 0; cell < domain::cell_count; ++cell) {
                if (policy.mailed[severity][cell]) {
                    out.policy.push_back(policy.id);
                    out.pack.push_back(id);
                    out.severity.push_back(static_cast<std::int64_t>(severity));
                    out.function.push_back(static_cast<std::int64_t>(domain::function_of_cell(cell)));
                    out.direction.push_back(static_cast<std::int64_t>(domain::direction_of_cell(cell)));
                }
            }
        }
    }
}

base::Expected<std::vector<store::TextRow>> mails(store::Connection& connection, store::Period period) {
    auto packs = store::report_packs(connection, period);
    if (!packs) {
        return tl::unexpected{packs.error()};
    }
    store::MailedCells cells;
    for (const auto& stored : *packs) {
        const auto pack = adapters::pack_yaml::read_rule_pack(stored.content);
        if (!pack) {
            return base::failure(base::FailureKind::refused,
                                 fmt::format("rule pack {}: {}", stored.id, domain::to_text(pack.error().front())));
        }
        add_cells(*pack, stored.id, cells);
    }
    return store::report_mails(connection, period, cells);
}

}  // namespace

std::vector<std::string> report_names() {
    std::vector<std::string> out;
    for (const auto& table : tables()) {
        out.emplace_back(table.name);
    }
    return out;
}

Output show_report(const Context& context, const Report& options) {
    const auto from = time_from("--from", options.from);
    const auto until = time_from("--until", options.until);
    if (!from || !until) {
        return tl::unexpected{from ? until.error() : from.error()};
    }
    auto connection = connect(context, true);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    const auto& table =
        *std::find_if(tables().begin(), tables().end(), [&](const auto& t) { return t.name == options.name; });
    const store::Period period{*from, *until};
    const auto rows = table.name == "mails"       ? mails(*connection, period)
                      : table.name == "customers" ? store::report_customers(*connection, period, options.by)
                      : table.name == "threats"
                          ? store::report_threats(*connection, period, options.top)
                          : store::report(*connection, table.statement, static_cast<int>(table.header.size()), period);
    return rows.map([&](const auto& found) { return as_text(table, found); });
}

}  // namespace mimamori::admin
