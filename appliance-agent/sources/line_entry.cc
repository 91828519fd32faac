#include "appliance-agent/sources/line_entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "appliance-agent/sources/fields.h"
#include "base/text.h"

namespace mimamori::agent::sources {
namespace {

bool is_inside(const LineEnd& end, const LineContext& context) {
    const auto address = domain::parse_address(end.ip);
    return address && std::any_of(context.lan.begin(), context.lan.end(),
                                  [&](const auto& range) { return range.contains(*address); });
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

void set_ends(detection::v1::Detection& out, LineEnd source, LineEnd destination, const LineContext& context) {
    if (is_inside(source, context)) {
        out.set_lan_mac(std::move(source.mac));
    } else if (is_inside(destination, context)) {
        out.set_lan_mac(std::move(destination.mac));
    }
    if (out.destination_host().empty()) {
        out.set_destination_host(base::to_valid_utf8(destination.name, max_host_bytes));
    }
    out.set_source_ip(std::move(source.ip));
    out.set_source_port(source.port);
    out.set_destination_ip(std::move(destination.ip));
    out.set_destination_port(destination.port);
}

detection::v1::Block url_block(std::string_view host, std::string_view category, std::int64_t observed_at_us) {
    detection::v1::Block out;
    out.set_kind("url");
    out.set_key(base::to_valid_utf8(host, max_host_bytes));
    out.set_category(base::to_valid_utf8(category, max_name_bytes));
    out.set_observed_at_us(observed_at_us);
    out.set_count(1);
    return out;
}

detection::v1::Block ip_block(const LineEnd& source, const LineEnd& destination, std::int64_t observed_at_us,
                              const LineContext& context) {
    detection::v1::Block out;
    out.set_kind("ip");
    out.set_key(is_inside(source, context) ? destination.ip : source.ip);
    out.set_observed_at_us(observed_at_us);
    out.set_count(1);
    return out;
}

std::uint32_t port_of(std::string_view text) {
    std::uint32_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size() && port <= 65535 ? port : 0;
}

void set_protocol(detection::v1::Detection& out, std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> numbers{
        {{"1", "ICMP"}, {"6", "TCP"}, {"17", "UDP"}, {"47", "GRE"}, {"50", "ESP"}, {"58", "IPV6-ICMP"}}};
    const auto slash = std::min(text.find('/'), text.size());
    const auto written = text.substr(0, slash);
    const auto* known = std::find_if(numbers.begin(), numbers.end(), [&](const auto& n) { return n.first == written; });
    auto name = base::to_valid_utf8(known == numbers.end() ? written : known->second, max_protocol_bytes);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    out.set_protocol(std::move(name));
    const auto application = text.substr(std::min(slash + 1, text.size()));
    if (!is_number(application)) {
        out.set_app_protocol(base::to_valid_utf8(application, max_protocol_bytes));
    }
}

void set_site(detection::v1::Detection& out, std::string_view host, std::string_view path, bool tls) {
    out.set_destination_host(base::to_valid_utf8(host, max_host_bytes));
    if (path.find("://") != std::string_view::npos && path.front() != '/') {
        out.set_url(base::to_valid_utf8(path, max_url_bytes));
    } else if (!host.empty() && !path.empty()) {
        out.set_url(base::to_valid_utf8(
            fmt::format("{}://{}{}{}", tls ? "https" : "http", host, path.front() == '/' ? "" : "/", path),
            max_url_bytes));
    }
}

}  // namespace mimamori::agent::sources
