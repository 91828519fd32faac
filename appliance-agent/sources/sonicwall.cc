#include "appliance-agent/sources/sonicwall.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "appliance-agent/sources/fields.h"
#include "appliance-agent/sources/key_value.h"
#include "appliance-agent/sources/site_categories.h"
#include "appliance-agent/sources/sonicwall_events.h"
#include "base/text.h"
#include "base/time.h"

namespace mimamori::agent::sources {
namespace {

namespace pb = detection::v1;

std::string field(const KeyValueLine& line, std::string_view key, std::size_t max_bytes) {
    return base::to_valid_utf8(line.text(key), max_bytes);
}

std::int64_t observed_at_us(const KeyValueLine& line, std::chrono::minutes assumed) {
    static constexpr std::array<std::string_view, 2> utc{" UTC", " GMT"};
    const auto written = line.text("time");
    std::string_view text = base::trim(written);
    for (const auto zone : utc) {
        if (text.ends_with(zone)) {
            text.remove_suffix(zone.size());
            assumed = std::chrono::minutes{0};
        }
    }
    const auto time = base::parse_timestamp(text, assumed);
    return time ? base::to_us(*time) : 0;
}

// `address:port:interface:name`, each of them possibly empty; an IPv6 address stands in a key of its own, or alone, or
// in brackets. A name may stand for the address.
LineEnd end_of(const KeyValueLine& line, std::string_view key, std::string_view key_v6, std::string_view key_mac) {
    const auto written = line.text(key);
    LineEnd end;
    end.mac = mac_text(line.text(key_mac));
    std::string_view text = written;
    if (text == "::") {
        text = {};  // no address, no port
    }
    std::string_view host;
    if (const auto alone = address_text(text); !alone.empty()) {
        end.ip = alone;
        text = {};
    } else if (text.starts_with('[') && text.find(']') != std::string_view::npos) {
        host = text.substr(1, text.find(']') - 1);
        text.remove_prefix(text.find(']') + 1);
    } else {
        host = text.substr(0, text.find(':'));
        text.remove_prefix(host.size());
    }
    if (!host.empty()) {
        end.ip = address_text(host);
        end.name = end.ip.empty() ? std::string(host) : std::string{};
    }
    if (text.starts_with(':')) {
        text.remove_prefix(1);
        end.port = port_of(text.substr(0, text.find(':')));
    }
    if (auto v6 = address_text(line.text(key_v6)); !v6.empty()) {
        end.ip = std::move(v6);
    }
    return end;
}

pb::Action action_of(const KeyValueLine& line, const SonicwallEvent& event) {
    const auto said = line.text("fw_action");
    if (said == "drop" || said == "deny" || said == "block") {
        return pb::ACTION_BLOCKED;
    }
    if (said == "forward" || said == "allow") {
        return pb::ACTION_LOGGED;
    }
    return static_cast<pb::Action>(event.action);
}

std::int32_t priority_of(const KeyValueLine& line) {
    const auto text = line.text({"ipspri", "spypri"});
    return static_cast<std::int32_t>(std::min<std::uint32_t>(port_of(text), 100));
}

// "SCAN nmap probe" from "IPS Detection Alert: SCAN nmap probe, SID: 310, Priority: Low".
std::string alert_text(std::string_view message) {
    static constexpr std::string_view mark = "Alert:";
    if (const auto at = message.find(mark); at != std::string_view::npos) {
        message.remove_prefix(at + mark.size());
    }
    message = message.substr(0, message.find(", SID:"));
    return base::to_valid_utf8(base::trim(message), max_name_bytes);
}

// Takes "blocked." and "(Trojan)" from the name's end; gives the word in brackets.
std::string take_virus_kind(std::string& name) {
    static constexpr std::array<std::string_view, 3> ends{".", " blocked", " detected"};
    std::string_view text = name;
    for (const auto end : ends) {
        if (text.ends_with(end)) {
            text.remove_suffix(end.size());
        }
    }
    std::string kind;
    const auto open = text.rfind(" (");
    if (text.ends_with(')') && open != std::string_view::npos && open > 0) {
        kind = text.substr(open + 2, text.size() - open - 3);
        text = text.substr(0, open);
    }
    if (!text.empty()) {
        name = std::string(text);
    }
    return kind;
}

bool is_tls(const KeyValueLine& line, const LineEnd& destination) {
    return line.text("proto").ends_with("/https") || destination.port == 443;
}

LineEntry read_site(const KeyValueLine& line, const SonicwallEvent& event, pb::Detection out, LineEnd source,
                    LineEnd destination, const LineContext& context, std::string kind) {
    const auto kind_of_site = site_kind(out.category());
    const auto name = line.text("dstname");
    const auto host = !name.empty() ? name : !destination.name.empty() ? destination.name : destination.ip;
    if (kind_of_site == SiteKind::ordinary) {
        if (action_of(line, event) != pb::ACTION_BLOCKED || host.empty()) {
            return Skipped{std::move(kind)};
        }
        return url_block(host, out.category(), out.observed_at_us());
    }
    out.set_function(kind_of_site == SiteKind::dangerous ? pb::FUNCTION_WG : pb::FUNCTION_UF);
    set_site(out, host, line.text("arg"), is_tls(line, destination));
    set_ends(out, std::move(source), std::move(destination), context);
    return out;
}

void read_threat(const KeyValueLine& line, const SonicwallEvent& event, pb::Detection& out, const std::string& id) {
    auto name = alert_text(line.text("msg"));
    if (name.empty()) {
        name = event.name;
    }
    auto threat_id = field(line, "sid", max_id_bytes);
    if (threat_id.empty()) {
        threat_id = id;
    }
    out.set_function(static_cast<pb::Function>(event.function));
    out.set_vendor_priority(priority_of(line));
    switch (event.function) {
        case domain::Function::av: {
            const auto kind = take_virus_kind(name);
            if (out.category().empty()) {
                out.set_category(kind);
            }
            out.set_origin(pb::ORIGIN_FILE_SENDER);
            out.set_virus_name(std::move(name));
            out.set_virus_id(std::move(threat_id));
            out.set_file_name(base::to_valid_utf8(line.text({"filename", "fname"}), max_file_name_bytes));
            break;
        }
        case domain::Function::apg: {
            // `appName` may name the service that carried it: "General HTTPS".
            const auto application = field(line, "appName", max_name_bytes);
            out.set_application(application.empty() || application.starts_with("General ") ? name : application);
            out.set_threat_id(std::move(threat_id));
            break;
        }
        default:
            out.set_threat_name(std::move(name));
            out.set_threat_id(std::move(threat_id));
            break;
    }
}

}  // namespace

tl::expected<LineEntry, std::string> parse_sonicwall(std::string_view text, const LineContext& context) {
    const KeyValueLine line(text);
    const auto written = line.text("m");
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), id);
    if (error != std::errc{} || end != written.data() + written.size()) {
        return tl::unexpected(std::string("not a line of SonicWall's enhanced syslog: m= is ") +
                              (written.empty() ? "missing" : "no number"));
    }
    auto kind = fmt::format("m={}", id);
    const auto* event = sonicwall_event(id);
    if (event == nullptr) {
        return Skipped{std::move(kind)};
    }
    pb::Detection out;
    out.set_observed_at_us(observed_at_us(line, context.assumed_utc_offset));
    out.set_action(action_of(line, *event));
    out.set_origin(pb::ORIGIN_PACKET);
    out.set_category(base::to_valid_utf8(line.text({"ipscat", "spycat", "appcat", "Category"}), max_name_bytes));
    set_protocol(out, line.text("proto"));
    auto source = end_of(line, "src", "srcV6", "srcMac");
    auto destination = end_of(line, "dst", "dstV6", "dstMac");
    switch (event->kind) {
        case SonicwallKind::address: {
            auto block = ip_block(source, destination, out.observed_at_us(), context);
            if (block.key().empty()) {
                return Skipped{std::move(kind)};
            }
            return block;
        }
        case SonicwallKind::site:
            out.set_category(field(line, "Category", max_name_bytes));
            return read_site(line, *event, std::move(out), std::move(source), std::move(destination), context,
                             std::move(kind));
        case SonicwallKind::threat:
            break;
    }
    read_threat(line, *event, out, kind);
    out.set_destination_host(field(line, "dstname", max_host_bytes));
    set_ends(out, std::move(source), std::move(destination), context);
    return out;
}

}  // namespace mimamori::agent::sources
