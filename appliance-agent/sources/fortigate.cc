#include "appliance-agent/sources/fortigate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "appliance-agent/sources/fields.h"
#include "appliance-agent/sources/key_value.h"
#include "appliance-agent/sources/site_categories.h"
#include "base/text.h"
#include "base/time.h"

namespace mimamori::agent::sources {
namespace {

namespace pb = detection::v1;

std::string field(const KeyValueLine& line, std::initializer_list<std::string_view> keys, std::size_t max_bytes) {
    return base::to_valid_utf8(line.text(keys), max_bytes);
}

// By the number of digits: seconds have ten of them from 2001 to 2286.
std::optional<std::int64_t> event_time_us(const std::string& text) {
    static constexpr std::array<std::pair<std::size_t, std::int64_t>, 3> multiplied{
        {{10, 1'000'000}, {13, 1'000}, {16, 1}}};
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0) {
        return std::nullopt;
    }
    if (text.size() == 19) {
        return value / 1000;
    }
    const auto* unit =
        std::find_if(multiplied.begin(), multiplied.end(), [&](const auto& m) { return m.first == text.size(); });
    return unit == multiplied.end() ? std::nullopt : std::optional(value * unit->second);
}

std::int64_t observed_at_us(const KeyValueLine& line, std::chrono::minutes assumed) {
    if (const auto us = event_time_us(line.text("eventtime"))) {
        return *us;
    }
    const auto civil = fmt::format("{} {}", line.text("date"), line.text("time"));
    auto time = base::parse_timestamp(civil + line.text("tz"), assumed);
    if (!time) {  // the zone may be a name
        time = base::parse_timestamp(civil, assumed);
    }
    return time ? base::to_us(*time) : 0;
}

LineEnd end_of(const KeyValueLine& line, std::string_view ip, std::string_view port,
               std::initializer_list<std::string_view> mac) {
    const auto written = line.text(ip);
    LineEnd end{
        .ip = address_text(written), .port = port_of(line.text(port)), .mac = mac_text(line.text(mac)), .name = {}};
    if (end.ip.empty()) {
        end.name = written;
    }
    return end;
}

bool is_blocked(const KeyValueLine& line) {
    static constexpr std::array<std::string_view, 8> words{"block", "drop",   "reset",      "clear_session",
                                                           "deny",  "denied", "quarantine", "redirect"};
    const auto action = line.text("action");
    return std::any_of(words.begin(), words.end(), [&](auto word) { return action.starts_with(word); });
}

std::int32_t priority_of(const KeyValueLine& line) {
    static constexpr std::array<std::string_view, 5> grades{"critical", "high", "medium", "low", "info"};
    const auto text = line.text({"severity", "crlevel"});
    const auto* found = std::find_if(grades.begin(), grades.end(), [&](auto grade) { return text.starts_with(grade); });
    return found == grades.end() ? 0 : static_cast<std::int32_t>(found - grades.begin()) + 1;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

bool is_about_botnet(const KeyValueLine& line) {
    return line.text("eventtype") == "botnet" || !line.text({"botnetdomain", "botnetip"}).empty();
}

struct Ends {
    LineEnd source, destination;
};

// The site that the line names; its category must be set.
void read_site(const KeyValueLine& line, pb::Detection& out) {
    const auto host = line.text({"hostname", "botnetdomain", "qname"});
    set_site(out, host, line.text("url"), out.app_protocol() == "https" || out.app_protocol() == "ssl");
}

void read_ips(const KeyValueLine& line, pb::Detection& out) {
    out.set_function(is_about_botnet(line) ? pb::FUNCTION_WG : pb::FUNCTION_IPS);
    out.set_threat_name(field(line, {"attack", "msg", "attackid"}, max_name_bytes));
    out.set_threat_id(field(line, {"attackid", "logid"}, max_id_bytes));
    if (out.threat_name().empty()) {
        out.set_threat_name("unnamed attack");
    }
    read_site(line, out);
}

void read_virus(const KeyValueLine& line, pb::Detection& out, Ends& ends) {
    const auto direction = line.text("direction");
    const bool from_client = direction == "outgoing" || (direction != "incoming" && out.app_protocol() == "smtp");
    if (!from_client) {
        std::swap(ends.source, ends.destination);
    }
    out.set_function(pb::FUNCTION_AV);
    out.set_origin(pb::ORIGIN_FILE_SENDER);
    out.set_virus_name(field(line, {"virus"}, max_name_bytes));
    out.set_virus_id(field(line, {"virusid"}, max_id_bytes));
    out.set_file_name(field(line, {"filename"}, max_file_name_bytes));
    out.set_file_sha256(sha256_text(line.text("analyticscksum")));
    out.set_mail_subject(field(line, {"subject"}, max_mail_subject_bytes));
    read_site(line, out);
}

// A site by its category: WG, UF, a block, or nothing of interest.
LineEntry site_entry(const KeyValueLine& line, pb::Detection out, std::string kind) {
    out.set_category(field(line, {"catdesc"}, max_name_bytes));
    const bool botnet = is_about_botnet(line);
    const auto kind_of_site = botnet ? SiteKind::dangerous : site_kind(out.category());
    read_site(line, out);
    if (out.destination_host().empty()) {
        out.set_destination_host(out.destination_ip());
    }
    if (kind_of_site == SiteKind::ordinary) {
        return out.action() == pb::ACTION_BLOCKED && !out.destination_host().empty()
                   ? LineEntry{url_block(out.destination_host(), out.category(), out.observed_at_us())}
                   : LineEntry{Skipped{std::move(kind)}};
    }
    out.set_function(kind_of_site == SiteKind::dangerous ? pb::FUNCTION_WG : pb::FUNCTION_UF);
    if (botnet) {
        out.set_threat_name(field(line, {"botnetdomain", "botnetip", "msg"}, max_name_bytes));
    }
    return out;
}

}  // namespace

tl::expected<LineEntry, std::string> parse_fortigate(std::string_view text, const LineContext& context) {
    const KeyValueLine line(text);
    const auto type = line.text("type");
    const auto subtype = line.text("subtype");
    if (type.empty() || subtype.empty()) {
        return tl::unexpected(
            fmt::format("not a FortiGate log line: {}= is missing", type.empty() ? "type" : "subtype"));
    }
    auto kind = fmt::format("{}/{}", type, subtype);
    const bool is_detection = type != "traffic" && type != "event";
    pb::Detection out;
    out.set_observed_at_us(observed_at_us(line, context.assumed_utc_offset));
    out.set_action(is_blocked(line) ? pb::ACTION_BLOCKED : pb::ACTION_LOGGED);
    out.set_origin(pb::ORIGIN_INITIATOR);
    out.set_vendor_priority(priority_of(line));
    set_protocol(out, line.text("proto"));
    out.set_app_protocol(lower(field(line, {"service"}, max_protocol_bytes)));
    Ends ends{.source = end_of(line, "srcip", "srcport", {"srcmac", "mastersrcmac"}),
              .destination = end_of(line, "dstip", "dstport", {"dstmac", "masterdstmac"})};
    if (is_detection && (subtype == "ips" || subtype == "anomaly")) {
        read_ips(line, out);
    } else if (is_detection && subtype == "virus" && !line.text("virus").empty()) {
        read_virus(line, out, ends);
    } else if (is_detection && subtype == "app-ctrl" && !line.text("app").empty()) {
        out.set_function(pb::FUNCTION_APG);
        out.set_application(field(line, {"app"}, max_name_bytes));
        out.set_category(field(line, {"appcat"}, max_name_bytes));
        out.set_threat_id(field(line, {"appid"}, max_id_bytes));
        read_site(line, out);
    } else if (is_detection && (subtype == "webfilter" || subtype == "dns")) {
        out.set_destination_ip(ends.destination.ip);
        auto entry = site_entry(line, std::move(out), kind);
        auto* detection = std::get_if<pb::Detection>(&entry);
        const bool is_lookup = subtype == "dns";
        if (detection == nullptr || (is_lookup && detection->function() != pb::FUNCTION_WG)) {
            return is_lookup ? LineEntry{Skipped{std::move(kind)}} : std::move(entry);
        }
        out = std::move(*detection);
    } else {
        return Skipped{std::move(kind)};
    }
    set_ends(out, std::move(ends.source), std::move(ends.destination), context);
    return out;
}

}  // namespace mimamori::agent::sources
