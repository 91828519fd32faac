#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "admin/commands.h"
#include "base/text.h"
#include "store/admin_trace.h"

namespace mimamori::admin {
namespace {

constexpr std::size_t longest_raw = 500;

// Names and lines may hold what an attacker wrote: valid text, one line, no control characters.
std::string shown(std::string_view text) {
    return base::to_single_line(base::to_valid_utf8(text, longest_raw));
}

std::string when(const std::optional<base::Time>& at) {
    return at ? base::format_rfc3339(*at) : "-";
}

std::string stars(std::int64_t severity) {
    constexpr std::string_view all[] = {"no star", "*", "**", "***"};
    return std::string{severity >= 0 && severity <= 3 ? all[severity] : "unknown"};
}

std::string lane_name(std::int64_t lane) {
    constexpr std::string_view all[] = {"urgent", "normal", "rollup"};
    return std::string{lane >= 0 && lane <= 2 ? all[lane] : "unknown"};
}

// "12/345": stream and sequence, as alarms and log lines name an entry.
std::optional<store::TracedPlace> parse_place(std::string_view text) {
    store::TracedPlace out{};
    const auto* end = text.data() + text.size();
    const auto stream = std::from_chars(text.data(), end, out.stream);
    if (stream.ec != std::errc{} || stream.ptr == end || *stream.ptr != '/') {
        return std::nullopt;
    }
    const auto seq = std::from_chars(stream.ptr + 1, end, out.seq);
    return seq.ec == std::errc{} && seq.ptr == end ? std::optional{out} : std::nullopt;
}

bool is_uuid(std::string_view text) {
    return text.size() == 36 && text.find_first_not_of("0123456789abcdefABCDEF-") == std::string_view::npos &&
           text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' &&
           std::count(text.begin(), text.end(), '-') == 4;
}

std::string as_text(const store::TracedFinding& f) {
    auto out = fmt::format(
        "finding     {} of {}: {}, {}, {} detections; described by rule {} of pack {}\n"
        "            stored {}, newest detection received {}\n",
        f.alert_id, shown(f.customer), f.class_id, stars(f.severity), f.count, f.rule, f.pack, when(f.created),
        when(f.last_received));
    for (const auto& m : f.newest) {
        out += fmt::format("  entry     {}/{}  {}  received {}\n", m.place.stream, m.place.seq, m.id, when(m.received));
    }
    for (const auto& i : f.items) {
        out += fmt::format("  mail item {}: {}, {}, {} detections, made {}; ", i.id, i.kind, stars(i.severity),
                           i.detections, when(i.created));
        out += i.digest ? fmt::format("in digest {} of the hour that ended {}, closed {}\n", *i.digest,
                                      when(i.window_end), when(i.closed))
                        : std::string{"waits for its hour to close\n"};
    }
    for (const auto& m : f.mails) {
        out += fmt::format(
            "  mail      {} of digest {} to {}: {}, {} attempts ({} reached DATA, {} in doubt), made {}, sent {}\n"
            "            Message-ID {}; the relay's last words: {}\n",
            m.id, m.digest, shown(m.address), m.state, m.attempts, m.data_attempts, m.in_doubt, when(m.created),
            when(m.sent), shown(m.message_id), m.last_reply.empty() ? "-" : shown(m.last_reply));
    }
    return out;
}

std::string as_text(const store::TracedDetection& d) {
    return fmt::format(
        "detection   {}\n  times     observed {}, corrected {}, received {}\n  verdict   {}{}, class {}, rule {} of "
        "pack {}\n"
        "  name      {}\n  source    {} of format {}\n  raw line  {}\n",
        d.id, when(d.observed), when(d.corrected), when(d.received), stars(d.severity),
        d.mailable ? ", mailed" : ", not mailed", d.class_id.empty() ? "-" : d.class_id, d.rule, d.pack, shown(d.name),
        shown(d.source_id), shown(d.source_format), shown(d.raw));
}

std::string as_text(const store::TracedPlace& place, const store::TracedEntry& e) {
    const auto& s = *e.stream;
    auto out = fmt::format("entry       {} of stream {}: appliance {}, {}, {}; lane {}, spool {}{}\n", place.seq,
                           place.stream, s.utm_id, shown(s.customer), shown(s.site), lane_name(s.lane), s.spool_id,
                           s.closed ? ", closed (" + shown(s.close_reason) + ")" : std::string{});
    for (const auto& d : e.detections) {
        out += as_text(d);
    }
    for (const auto& q : e.quarantine) {
        out += fmt::format("{:<11} received {}, kind {}: {}\n", q.origin, when(q.received), q.kind, shown(q.reason));
    }
    for (const auto& l : e.losses) {
        out += fmt::format("lost        {}: entries {} to {}{}, noted {}\n", l.kind, l.first, l.last,
                           l.at_least ? " at least" : "", when(l.recorded));
    }
    if (e.detections.empty() && e.quarantine.empty() && e.losses.empty()) {
        out += place.seq >= s.next_seq ? fmt::format("not stored: the stream is stored up to {}\n", s.next_seq - 1)
                                       : std::string{
                                             "passed, without a row of its own: a block (counted only), one that was "
                                             "stored before, or dropped by retention\n"};
    }
    return out;
}

Output trace_place(store::Connection& connection, const store::TracedPlace& place) {
    auto entry = store::trace_entry(connection, place);
    if (!entry) {
        return tl::unexpected{entry.error()};
    }
    if (!entry->stream) {
        return base::failure(base::FailureKind::refused, fmt::format("there is no stream {}", place.stream));
    }
    auto out = as_text(place, *entry);
    for (const auto& detection : entry->detections) {
        if (!detection.finding) {
            continue;
        }
        auto findings = store::trace_findings(connection, "", detection.finding);
        if (!findings) {
            return tl::unexpected{findings.error()};
        }
        for (const auto& finding : *findings) {
            out += as_text(finding);
        }
    }
    return out;
}

}  // namespace

Output trace(const Context& context, const std::string& id, int days) {
    auto connection = connect(context);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    if (const auto place = parse_place(id)) {
        return trace_place(*connection, *place);
    }
    if (is_uuid(id)) {
        auto place = store::find_detection(*connection, id, context.clock.now() - std::chrono::days{days});
        if (!place) {
            return tl::unexpected{place.error()};
        }
        if (!*place) {
            return base::failure(
                base::FailureKind::refused,
                fmt::format("no detection {} was received within {} days; --days looks further back", id, days));
        }
        return trace_place(*connection, **place);
    }
    auto findings = store::trace_findings(*connection, id, std::nullopt);
    if (!findings) {
        return tl::unexpected{findings.error()};
    }
    if (findings->empty()) {
        return base::failure(
            base::FailureKind::refused,
            fmt::format("\"{}\" is no アラートID that is known, no detection's id and no STREAM/SEQUENCE", shown(id)));
    }
    std::string out;
    for (const auto& finding : *findings) {
        out += as_text(finding);
    }
    return out;
}

}  // namespace mimamori::admin
