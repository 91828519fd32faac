#include "store/reports.h"

namespace mimamori::store {
namespace {

Params of(Period period) {
    return Params{}.time(period.from).time(period.until);
}

std::vector<TextRow> rows_of(const Result& result, int columns) {
    std::vector<TextRow> out;
    for (int row = 0; row < result.rows(); ++row) {
        auto& fields = out.emplace_back();
        for (int column = 0; column < columns; ++column) {
            fields.emplace_back(result.text(row, column));
        }
    }
    return out;
}

Expected<std::vector<TextRow>> run(Connection& connection, std::string_view statement, int columns,
                                   const Params& params) {
    return connection.run(statement, params).map([&](const Result& result) { return rows_of(result, columns); });
}

}  // namespace

Expected<std::vector<TextRow>> report(Connection& connection, std::string_view statement, int columns, Period period) {
    return run(connection, statement, columns, of(period));
}

Expected<std::vector<TextRow>> report_customers(Connection& connection, Period period, std::string_view by) {
    return run(connection, "report_customers", 6, of(period).text(by));
}

Expected<std::vector<TextRow>> report_threats(Connection& connection, Period period, std::int64_t top) {
    return run(connection, "report_threats", 6, of(period).integer(top));
}

Expected<std::vector<JudgingPack>> report_packs(Connection& connection, Period period) {
    return connection.run("report_packs", of(period)).map([](const Result& result) {
        std::vector<JudgingPack> out;
        for (int row = 0; row < result.rows(); ++row) {
            out.push_back({result.integer(row, 0), std::string{result.text(row, 1)}});
        }
        return out;
    });
}

Expected<std::vector<TextRow>> report_mails(Connection& connection, Period period, const MailedCells& mailed) {
    return run(connection, "report_mails", 4,
               of(period)
                   .texts(mailed.policy)
                   .integers(mailed.pack)
                   .integers(mailed.severity)
                   .integers(mailed.function)
                   .integers(mailed.direction));
}

}  // namespace mimamori::store
