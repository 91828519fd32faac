// The programme's tables over a period, as the statements of sql/queries/reports.sql give them. Rows of text: what they
// mean is said there, and nobody computes with them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/connection.h"

namespace mimamori::store {

struct Period {
    base::Time from, until;
};
using TextRow = std::vector<std::string>;

// A statement that takes the period alone.
Expected<std::vector<TextRow>> report(Connection& connection, std::string_view statement, int columns, Period period);
Expected<std::vector<TextRow>> report_customers(Connection& connection, Period period, std::string_view by);
Expected<std::vector<TextRow>> report_threats(Connection& connection, Period period, std::int64_t top);

struct JudgingPack {
    std::int64_t id;
    std::string content;
};
Expected<std::vector<JudgingPack>> report_packs(Connection& connection, Period period);

// What policies mail of the verdicts of a pack, row by row.
struct MailedCells {
    std::vector<std::string> policy;
    std::vector<std::int64_t> pack, severity, function, direction;
};
Expected<std::vector<TextRow>> report_mails(Connection& connection, Period period, const MailedCells& mailed);

}  // namespace mimamori::store
