#include "store/admin_trace.h"

namespace mimamori::store {
namespace {

// Runs the statement and makes `Row`s of what it returns, one by one.
template <class Row, class Make>
Expected<void> read(Connection& connection, std::string_view name, const Params& params, std::vector<Row>& out,
                    const Make& make) {
    return connection.run(name, params).map([&](const Result& rows) {
        for (int i = 0; i < rows.rows(); ++i) {
            out.push_back(make(rows, i));
        }
    });
}

std::string text(const Result& rows, int row, int column) {
    return std::string{rows.text(row, column)};
}

Expected<void> read_mails(Connection& connection, TracedFinding& finding) {
    const auto params = Params{}.integer(finding.id);
    auto done = read(connection, "trace_entries", params, finding.newest, [](const Result& r, int i) {
        return TracedMember{{r.integer(i, 0), r.integer(i, 1)}, text(r, i, 2), r.time(i, 3)};
    });
    if (done) {
        done = read(connection, "trace_items", params, finding.items, [](const Result& r, int i) {
            return TracedItem{r.integer(i, 0), text(r, i, 1),           r.integer(i, 2),      r.integer(i, 3),
                              r.time(i, 4),    r.integer_or_null(i, 5), r.time_or_null(i, 6), r.time_or_null(i, 7)};
        });
    }
    if (done) {
        done = read(connection, "trace_mails", params, finding.mails, [](const Result& r, int i) {
            return TracedMail{r.integer(i, 0), r.integer(i, 1),      text(r, i, 2),   text(r, i, 3),
                              text(r, i, 4),   r.integer(i, 5),      r.integer(i, 6), r.integer(i, 7),
                              r.time(i, 8),    r.time_or_null(i, 9), text(r, i, 10)};
        });
    }
    return done;
}

}  // namespace

Expected<std::optional<TracedPlace>> find_detection(Connection& connection, std::string_view uuid, base::Time since) {
    return connection.run("trace_place", Params{}.text(uuid).time(since)).map([](const Result& r) {
        return r.empty() ? std::nullopt : std::optional{TracedPlace{r.integer(0, 0), r.integer(0, 1)}};
    });
}

Expected<TracedEntry> trace_entry(Connection& connection, const TracedPlace& place) {
    TracedEntry out;
    const auto at = Params{}.integer(place.stream).integer(place.seq);
    auto done = connection.run("trace_stream", Params{}.integer(place.stream)).map([&](const Result& r) {
        if (!r.empty()) {
            out.stream = TracedStream{r.integer(0, 0), text(r, 0, 1), r.integer(0, 2), r.integer(0, 3) != 0,
                                      text(r, 0, 4),   text(r, 0, 5), text(r, 0, 6),   text(r, 0, 7)};
        }
    });
    if (done) {
        done = read(connection, "trace_detections", at, out.detections, [](const Result& r, int i) {
            return TracedDetection{text(r, i, 0),   r.time_or_null(i, 1),    r.time_or_null(i, 2), r.time(i, 3),
                                   r.integer(i, 4), r.boolean(i, 5),         text(r, i, 6),        text(r, i, 7),
                                   text(r, i, 8),   text(r, i, 9),           text(r, i, 10),       text(r, i, 11),
                                   r.bytes(i, 12),  r.integer_or_null(i, 13)};
        });
    }
    if (done) {
        done = read(connection, "trace_quarantine", at, out.quarantine, [](const Result& r, int i) {
            return TracedQuarantine{r.time(i, 0), text(r, i, 1), r.integer(i, 2), text(r, i, 3)};
        });
    }
    if (done) {
        done = read(connection, "trace_losses", at, out.losses, [](const Result& r, int i) {
            return TracedLoss{text(r, i, 0), r.integer(i, 1), r.integer(i, 2), r.boolean(i, 3), r.time(i, 4)};
        });
    }
    return done.map([&] { return std::move(out); });
}

Expected<std::vector<TracedFinding>> trace_findings(Connection& connection, std::string_view alert_id,
                                                    std::optional<std::int64_t> finding) {
    std::vector<TracedFinding> out;
    auto done = read(connection, "trace_findings", Params{}.text(alert_id).integer_or_null(finding), out,
                     [](const Result& r, int i) {
                         return TracedFinding{r.integer(i, 0),
                                              text(r, i, 1),
                                              text(r, i, 2),
                                              r.integer(i, 3),
                                              text(r, i, 4),
                                              r.integer(i, 5),
                                              text(r, i, 6),
                                              text(r, i, 7),
                                              r.time(i, 8),
                                              r.time(i, 9),
                                              {},
                                              {},
                                              {}};
                     });
    for (std::size_t i = 0; done && i < out.size(); ++i) {
        done = read_mails(connection, out[i]);
    }
    return done.map([&] { return std::move(out); });
}

}  // namespace mimamori::store
