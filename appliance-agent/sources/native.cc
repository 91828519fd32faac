#include "appliance-agent/sources/native.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "appliance-agent/sources/fields.h"
#include "appliance-agent/sources/json.h"
#include "base/text.h"
#include "base/time.h"
#include "domain/detection.h"

namespace mimamori::agent::sources {
namespace {

using detection::v1::Block;
using detection::v1::Detection;

constexpr std::array<std::string_view, 4> origin_names{"unspecified", "initiator", "packet", "file_sender"};

constexpr std::array<NativeField, 24> detection_fields{{
    {"function", NativeType::function, true},
    {"observed_at", NativeType::time, true},
    {"action", NativeType::action, true},
    {"origin", NativeType::origin},
    {"source_ip", NativeType::address},
    {"source_port", NativeType::port},
    {"destination_ip", NativeType::address},
    {"destination_port", NativeType::port},
    {"lan_mac", NativeType::mac},
    {"protocol", NativeType::text},
    {"app_protocol", NativeType::text},
    {"threat_name", NativeType::text},
    {"threat_id", NativeType::text},
    {"virus_name", NativeType::text},
    {"virus_id", NativeType::text},
    {"file_name", NativeType::text},
    {"file_sha256", NativeType::sha256},
    {"mail_subject", NativeType::text},
    {"mail_date", NativeType::text},
    {"destination_host", NativeType::text},
    {"url", NativeType::text},
    {"category", NativeType::text},
    {"application", NativeType::text},
    {"vendor_priority", NativeType::priority},
}};
constexpr std::array<NativeField, 5> block_fields{{
    {"kind", NativeType::kind, true},
    {"key", NativeType::text, true},
    {"observed_at", NativeType::time, true},
    {"category", NativeType::text},
    {"count", NativeType::count},
}};

// Reads members one by one and remembers the first thing that is wrong.
class Reader {
  public:
    Reader(const boost::json::object& line, std::chrono::minutes assumed) : line_(line), assumed_(assumed) {}

    std::string text(std::string_view name, std::size_t max_bytes) {
        return base::to_valid_utf8(string(name), max_bytes);
    }
    std::string address(std::string_view name) { return formed(name, address_text, "an IP address"); }
    std::string mac(std::string_view name) {
        return formed(name, mac_text, "the MAC address of a device, such as 00-00-5E-00-53-17");
    }
    std::string sha256(std::string_view name) { return formed(name, sha256_text, "64 hex digits"); }

    std::int64_t time_us(std::string_view name) {
        const auto written = string(name);
        const auto time = base::parse_timestamp(written, assumed_);
        if (!time && line_.contains(name)) {
            fail(name, "must be a time such as 2026-04-08T10:39:40+09:00");
        }
        return time ? base::to_us(*time) : 0;
    }

    std::uint64_t number(std::string_view name, std::uint64_t least, std::uint64_t most, std::uint64_t absent) {
        if (!line_.contains(name)) {
            return absent;
        }
        const auto value = number_at(line_, name);
        if (!value || *value < least || *value > most) {
            fail(name, fmt::format("must be an integer from {} to {}", least, most));
            return absent;
        }
        return *value;
    }

    // The place of the member's value in `names`, 0 if absent; place 0 is no value to write.
    template <std::size_t N>
    int one_of(std::string_view name, const std::array<std::string_view, N>& names) {
        const auto written = string(name);
        const auto* found = std::find(names.begin() + 1, names.end(), written);
        if (found == names.end()) {
            if (line_.contains(name)) {
                fail(name, fmt::format("must be one of: {}", fmt::join(names.begin() + 1, names.end(), ", ")));
            }
            return 0;
        }
        return static_cast<int>(found - names.begin());
    }

    void require(std::span<const NativeField> fields) {
        for (const auto& field : fields) {
            if (field.required && !line_.contains(field.name)) {
                fail(field.name, "is missing");
            }
        }
    }

    void fail(std::string_view name, std::string_view what) {
        if (wrong_.empty()) {
            wrong_ = fmt::format("{} {}", name, what);
        }
    }
    const std::string& wrong() const { return wrong_; }

  private:
    std::string_view string(std::string_view name) {
        const auto* value = line_.if_contains(name);
        if (value != nullptr && !value->is_string()) {
            fail(name, "must be a string");
        }
        return text_at(line_, name);
    }

    std::string formed(std::string_view name, std::string (*form)(std::string_view), std::string_view what) {
        auto out = form(string(name));
        if (out.empty() && line_.contains(name)) {
            fail(name, fmt::format("must be {}; leave it out if unknown", what));
        }
        return out;
    }

    const boost::json::object& line_;
    std::chrono::minutes assumed_;
    std::string wrong_;
};

Detection read_detection(Reader& in) {
    Detection out;
    in.require(detection_fields);
    out.set_function(static_cast<detection::v1::Function>(in.one_of("function", domain::function_names)));
    out.set_action(static_cast<detection::v1::Action>(in.one_of("action", domain::action_names)));
    out.set_origin(static_cast<detection::v1::Origin>(in.one_of("origin", origin_names)));
    if (out.origin() == detection::v1::ORIGIN_UNSPECIFIED) {
        out.set_origin(out.function() == detection::v1::FUNCTION_AV ? detection::v1::ORIGIN_FILE_SENDER
                                                                    : detection::v1::ORIGIN_INITIATOR);
    }
    out.set_observed_at_us(in.time_us("observed_at"));
    out.set_source_ip(in.address("source_ip"));
    out.set_source_port(static_cast<std::uint32_t>(in.number("source_port", 0, 65535, 0)));
    out.set_destination_ip(in.address("destination_ip"));
    out.set_destination_port(static_cast<std::uint32_t>(in.number("destination_port", 0, 65535, 0)));
    out.set_lan_mac(in.mac("lan_mac"));
    out.set_protocol(in.text("protocol", max_protocol_bytes));
    out.set_app_protocol(in.text("app_protocol", max_protocol_bytes));
    out.set_threat_name(in.text("threat_name", max_name_bytes));
    out.set_threat_id(in.text("threat_id", max_id_bytes));
    out.set_virus_name(in.text("virus_name", max_name_bytes));
    out.set_virus_id(in.text("virus_id", max_id_bytes));
    out.set_file_name(in.text("file_name", max_file_name_bytes));
    out.set_file_sha256(in.sha256("file_sha256"));
    out.set_mail_subject(in.text("mail_subject", max_mail_subject_bytes));
    out.set_mail_date(in.text("mail_date", max_id_bytes));
    out.set_destination_host(in.text("destination_host", max_host_bytes));
    out.set_url(in.text("url", max_url_bytes));
    out.set_category(in.text("category", max_name_bytes));
    out.set_application(in.text("application", max_name_bytes));
    out.set_vendor_priority(static_cast<std::int32_t>(in.number("vendor_priority", 0, 100, 0)));
    return out;
}

// What the rules will look at must be there, or the detection could never be judged.
void require_name(const Detection& out, Reader& in) {
    switch (out.function()) {
        case detection::v1::FUNCTION_IPS:
            if (out.threat_name().empty()) {
                in.fail("threat_name", "is missing: function ips needs it");
            }
            break;
        case detection::v1::FUNCTION_AV:
            if (out.virus_name().empty()) {
                in.fail("virus_name", "is missing: function av needs it");
            }
            break;
        case detection::v1::FUNCTION_WG:
            if (out.destination_host().empty() && out.url().empty() && out.threat_name().empty()) {
                in.fail("destination_host", "is missing: function wg needs it, or url, or threat_name");
            }
            break;
        case detection::v1::FUNCTION_UF:
            if (out.category().empty()) {
                in.fail("category", "is missing: function uf needs it");
            }
            break;
        case detection::v1::FUNCTION_APG:
            if (out.application().empty()) {
                in.fail("application", "is missing: function apg needs it");
            }
            break;
        default:
            break;
    }
}

Block read_block(Reader& in) {
    static constexpr std::array<std::string_view, 3> kinds{"", "url", "ip"};
    Block out;
    in.require(block_fields);
    const auto kind = static_cast<std::size_t>(in.one_of("kind", kinds));
    out.set_kind(std::string(kinds[kind]));
    out.set_key(kinds[kind] == "ip" ? in.address("key") : in.text("key", max_host_bytes));
    if (out.key().empty()) {
        in.fail("key", "is empty");
    }
    out.set_observed_at_us(in.time_us("observed_at"));
    out.set_category(in.text("category", max_name_bytes));
    out.set_count(in.number("count", 1, 1'000'000'000, 1));
    return out;
}

}  // namespace

std::span<const NativeField> native_detection_fields() {
    return detection_fields;
}

std::span<const NativeField> native_block_fields() {
    return block_fields;
}

tl::expected<LineEntry, std::string> parse_native(std::string_view line, std::chrono::minutes assumed_utc_offset) {
    JsonLine json;
    const auto object = json.parse(line);
    if (!object) {
        return tl::unexpected(object.error());
    }
    Reader in(**object, assumed_utc_offset);
    LineEntry entry;
    const auto type = text_at(**object, "type");
    if (type == "detection") {
        auto detection = read_detection(in);
        require_name(detection, in);
        entry = std::move(detection);
    } else if (type == "block") {
        entry = read_block(in);
    } else {
        in.fail("type", "must be one of: detection, block");
    }
    if (!in.wrong().empty()) {
        return tl::unexpected(in.wrong());
    }
    return entry;
}

}  // namespace mimamori::agent::sources
