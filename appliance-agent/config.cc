#include "appliance-agent/config.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "appliance-agent/sources/fields.h"
#include "appliance-agent/sources/line_entry.h"
#include "appliance-agent/spool/checkpoints.h"

namespace mimamori::agent {
namespace {

constexpr std::size_t max_config_bytes = 1U << 20U;

// Reads a table key by key and remembers which were asked for and what was wrong.
class Reader {
  public:
    Reader(const toml::table& table, std::string name, const std::string& file, std::vector<std::string>& errors)
        : table_{table}, name_{std::move(name)}, file_{file}, errors_{errors} {}

    std::string text(std::string_view key, std::string fallback = {}) {
        const auto* node = find(key);
        if (node == nullptr) {
            return fallback;
        }
        const auto* value = node->as_string();
        if (value == nullptr || value->get().empty()) {
            wrong(key, *node, "must be a text that is not empty");
            return fallback;
        }
        return value->get();
    }
    std::string required_text(std::string_view key) {
        if (!table_.contains(key)) {
            missing(key);
        }
        return text(key);
    }
    std::vector<std::string> required_texts(std::string_view key) {
        if (!table_.contains(key)) {
            missing(key);
        }
        return texts(key);
    }
    std::vector<std::string> texts(std::string_view key) {
        const auto* node = find(key);
        std::vector<std::string> out;
        if (node == nullptr) {
            return out;
        }
        if (const auto* list = node->as_array()) {
            for (const auto& item : *list) {
                out.push_back(item.value_or(std::string{}));
            }
        }
        if (out.empty() || std::find(out.begin(), out.end(), "") != out.end()) {
            wrong(key, *node, "must be a list of one text or more");
        }
        return out;
    }
    std::int64_t number(std::string_view key, std::int64_t fallback, std::int64_t least, std::int64_t most) {
        const auto* node = find(key);
        if (node == nullptr) {
            return fallback;
        }
        const auto* value = node->as_integer();
        if (value == nullptr || value->get() < least || value->get() > most) {
            wrong(key, *node, fmt::format("must be a whole number from {} to {}", least, most));
            return fallback;
        }
        return value->get();
    }
    std::chrono::milliseconds ms(std::string_view key, std::chrono::milliseconds fallback, std::int64_t least,
                                 std::int64_t most) {
        return std::chrono::milliseconds{number(key, fallback.count(), least, most)};
    }
    const toml::table* table(std::string_view key, bool required) {
        const auto* node = find(key);
        if (node == nullptr && required) {
            missing(key);
        } else if (node != nullptr && !node->is_table()) {
            wrong(key, *node, fmt::format("must be a section: [{}]", key));
        }
        return node != nullptr ? node->as_table() : nullptr;
    }
    const toml::array* tables(std::string_view key) {
        const auto* node = find(key);
        const auto* out = node != nullptr ? node->as_array() : nullptr;
        if (out == nullptr || out->empty() || !out->is_homogeneous<toml::table>()) {
            errors_.push_back(fmt::format("{}: at least one [[{}]] is needed", file_, key));
            return nullptr;
        }
        return out;
    }
    bool has(std::string_view key) { return find(key) != nullptr; }
    void wrong(std::string_view key, const std::string& what) {
        errors_.push_back(fmt::format("{}: {} {}", file_, full(key), what));
    }
    void refuse_unknown() {
        for (const auto& [key, node] : table_) {
            if (!asked_.contains(key.str())) {
                errors_.push_back(fmt::format("{}:{}: {} is not a key of the agent", file_, key.source().begin.line,
                                              full(key.str())));
            }
        }
    }

  private:
    const toml::node* find(std::string_view key) {
        asked_.emplace(key);
        return table_.get(key);
    }
    std::string full(std::string_view key) const {
        return name_.empty() ? std::string{key} : fmt::format("{}.{}", name_, key);
    }
    void missing(std::string_view key) { errors_.push_back(fmt::format("{}: {} is missing", file_, full(key))); }
    void wrong(std::string_view key, const toml::node& node, const std::string& what) {
        errors_.push_back(fmt::format("{}:{}: {} {}", file_, node.source().begin.line, full(key), what));
    }

    const toml::table& table_;
    std::string name_;
    const std::string& file_;
    std::vector<std::string>& errors_;
    std::set<std::string, std::less<>> asked_;
};

void read_gateway(Reader in, uplink::UplinkSettings& out) {
    out.addresses = in.required_texts("addresses");
    out.server_name = in.text("server_name");
    out.certificates.ca_file = in.required_text("ca_file");
    out.certificates.certificate_file = in.required_text("certificate_file");
    out.certificates.key_file = in.required_text("key_file");
    out.answer_limit = in.ms("answer_limit_ms", out.answer_limit, 1'000, 600'000);
    out.backoff.first = in.ms("reconnect_first_ms", out.backoff.first, 1, 60'000);
    out.backoff.longest = in.ms("reconnect_longest_ms", out.backoff.longest, 1, 3'600'000);
    out.backoff.refused = in.ms("reconnect_refused_ms", out.backoff.refused, 1, 86'400'000);
    out.batch_entries =
        static_cast<std::size_t>(in.number("batch_entries", static_cast<std::int64_t>(out.batch_entries), 1, 1'000));
    out.batch_bytes =
        static_cast<std::size_t>(in.number("batch_kib", static_cast<std::int64_t>(out.batch_bytes >> 10U), 1, 1'024))
        << 10U;
    out.batch_delay = in.ms("batch_delay_ms", out.batch_delay, 0, 60'000);
    for (const auto& address : out.addresses) {
        const auto colon = address.rfind(':');
        const auto port = colon == std::string::npos ? std::string{} : address.substr(colon + 1);
        if (colon == 0 || port.empty() || port.size() > 5 ||
            port.find_first_not_of("0123456789") != std::string::npos) {
            in.wrong("addresses",
                     fmt::format("holds \"{}\", which is not of the form \"gateway.example.jp:8443\"", address));
        }
    }
    in.refuse_unknown();
}

void read_spool(Reader in, spool::SpoolSettings& out) {
    out.max_bytes =
        static_cast<std::uint64_t>(in.number("max_mib", static_cast<std::int64_t>(out.max_bytes >> 20U), 4, 65'536))
        << 20U;
    out.lane.segment_bytes = static_cast<std::size_t>(in.number(
                                 "segment_kib", static_cast<std::int64_t>(out.lane.segment_bytes >> 10U), 64, 1'024))
                             << 10U;
    in.refuse_unknown();
}

bool is_firewall(sources::LineFormat format) {
    return format == sources::LineFormat::sonicwall || format == sources::LineFormat::fortigate;
}

// "udp://127.0.0.1:5514" or "tcp://[::1]:5514": addresses, no names.
std::optional<sources::ListenOptions> listen_address(std::string_view text) {
    sources::ListenOptions out;
    out.tcp = text.starts_with("tcp://");
    const auto colon = text.rfind(':');
    if ((!out.tcp && !text.starts_with("udp://")) || colon < 7 || colon == std::string_view::npos) {
        return std::nullopt;
    }
    auto host = text.substr(6, colon - 6);
    const bool brackets = host.starts_with('[') && host.ends_with(']');
    host = brackets ? host.substr(1, host.size() - 2) : host;
    out.ip = sources::address_text(host);
    out.port = static_cast<std::uint16_t>(sources::port_of(text.substr(colon + 1)));
    const bool v6 = host.find(':') != std::string_view::npos;
    return out.ip.empty() || out.port == 0 || v6 != brackets ? std::nullopt : std::optional(out);
}

void read_listen(Reader& in, SourceConfig& out) {
    out.path = in.text("listen");
    out.listen = listen_address(out.path);
    if (!out.listen) {
        in.wrong("listen",
                 fmt::format("\"{}\" is not of the form \"udp://127.0.0.1:5514\" or \"tcp://[::1]:5514\"", out.path));
        out.listen.emplace();
    }
    auto& listen = *out.listen;
    for (const auto& text : in.texts("allow")) {
        if (const auto range = domain::parse_range(text)) {
            listen.allow.push_back(*range);
        } else {
            in.wrong("allow", fmt::format("holds \"{}\", which is no address and no range such as 192.0.2.0/24", text));
        }
    }
    listen.receive_buffer_bytes =
        static_cast<std::size_t>(
            in.number("receive_buffer_kib", static_cast<std::int64_t>(listen.receive_buffer_bytes >> 10U), 64, 65'536))
        << 10U;
    out.max_line_bytes = static_cast<std::size_t>(in.number("max_line_kib", 64, 1, 1'024)) << 10U;
    listen.max_connections = static_cast<std::size_t>(
        in.number("max_connections", static_cast<std::int64_t>(listen.max_connections), 1, 64));
    listen.idle_limit = in.ms("idle_limit_ms", listen.idle_limit, 100, 86'400'000);
}

// "+09:00" or "-05:30".
std::optional<std::chrono::minutes> offset_of(std::string_view text) {
    const auto digits = [](std::string_view two) {
        return two.find_first_not_of("0123456789") == std::string_view::npos;
    };
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' || !digits(text.substr(1, 2)) ||
        !digits(text.substr(4))) {
        return std::nullopt;
    }
    const auto hours = (text[1] - '0') * 10 + (text[2] - '0');
    const auto minutes = (text[4] - '0') * 10 + (text[5] - '0');
    const auto out = std::chrono::minutes{hours * 60 + minutes};
    return hours > 14 || minutes > 59 ? std::nullopt : std::optional(text[0] == '-' ? -out : out);
}

SourceConfig read_source(Reader in) {
    SourceConfig out;
    out.id = in.required_text("id");
    if (out.id.size() > spool::Checkpoints::max_id_bytes) {
        in.wrong("id", fmt::format("must have at most {} bytes", spool::Checkpoints::max_id_bytes));
    }
    const auto type = in.required_text("type");
    using sources::LineFormat;
    for (const auto format :
         {LineFormat::native, LineFormat::suricata_eve, LineFormat::sonicwall, LineFormat::fortigate}) {
        if (type == sources::name_of(format)) {
            out.format = format;
        }
    }
    if (!type.empty() && type != sources::name_of(out.format)) {
        in.wrong(
            "type",
            fmt::format("\"{}\" is not known: \"native\", \"suricata-eve\", \"sonicwall\" or \"fortigate\"", type));
    }
    if (in.has("listen") && in.has("path")) {
        in.wrong("listen", "and path exclude each other");
    }
    if (in.has("listen") && !is_firewall(out.format)) {
        in.wrong("listen", fmt::format("is for \"sonicwall\" and \"fortigate\"; \"{}\" is read from a file", type));
    }
    if (in.has("listen")) {
        read_listen(in, out);
    } else {
        out.path = in.required_text("path");
        if (!out.path.empty() && out.path.front() != '/') {
            in.wrong("path", "must begin with a slash");
        }
    }
    if (const auto text = in.text("time_zone_offset", "+09:00"); const auto offset = offset_of(text)) {
        out.assumed_utc_offset = *offset;
    } else {
        in.wrong("time_zone_offset", fmt::format("\"{}\" is not of the form \"+09:00\"", text));
    }
    in.refuse_unknown();
    return out;
}

}  // namespace

base::Expected<Config> parse_config(std::string_view text, const std::string& name) {
    const auto parsed = toml::parse(text);
    if (!parsed) {
        return base::failure(
            base::FailureKind::refused,
            fmt::format("{}:{}: {}", name, parsed.error().source().begin.line, parsed.error().description()));
    }
    std::vector<std::string> errors;
    Config out;
    Reader in{parsed.table(), "", name, errors};
    out.state_dir = in.required_text("state_dir");
    if (!out.state_dir.empty() && out.state_dir.front() != '/') {
        in.wrong("state_dir", "must begin with a slash");
    }
    out.uplink.appliance_model = in.text("appliance_model");
    out.firmware_version = in.text("firmware_version");
    out.firmware_version_file = in.text("firmware_version_file");
    if (!out.firmware_version.empty() && !out.firmware_version_file.empty()) {
        in.wrong("firmware_version", "and firmware_version_file exclude each other");
    }
    if (out.uplink.appliance_model.size() > 100 || out.firmware_version.size() > 100) {
        in.wrong("appliance_model", "and firmware_version must have at most 100 bytes");
    }
    out.poll = in.ms("poll_ms", out.poll, 1, 1'000);
    out.status_interval = in.ms("status_interval_ms", out.status_interval, 100, 600'000);
    out.drain_limit = in.ms("drain_limit_ms", out.drain_limit, 0, 600'000);
    out.hang_limit = in.ms("hang_limit_ms", out.hang_limit, 5'000, 3'600'000);
    if (const auto* gateway = in.table("gateway", true)) {
        read_gateway({*gateway, "gateway", name, errors}, out.uplink);
    }
    if (const auto* spool = in.table("spool", false)) {
        read_spool({*spool, "spool", name, errors}, out.spool);
    }
    if (const auto* sources = in.tables("source")) {
        std::set<std::string> ids;
        std::set<std::string> paths;
        for (const auto& node : *sources) {
            auto source = read_source({*node.as_table(), "source", name, errors});
            if (!ids.insert(source.id).second || !paths.insert(source.path).second) {
                errors.push_back(fmt::format("{}:{}: another source has the same id, path or listen", name,
                                             node.source().begin.line));
            }
            out.sources.push_back(std::move(source));
        }
        if (out.sources.size() > spool::Checkpoints::max_sources) {
            in.wrong("source", fmt::format("must stand at most {} times", spool::Checkpoints::max_sources));
        }
    }
    in.refuse_unknown();
    if (!errors.empty()) {
        return base::failure(base::FailureKind::refused, fmt::format("{}", fmt::join(errors, "\n")));
    }
    out.spool.folder = out.state_dir + "/spool";
    return out;
}

base::Expected<Config> read_config(const std::string& file) {
    std::ifstream in{file, std::ios::binary};
    if (!in) {
        return base::failure(base::FailureKind::refused, fmt::format("cannot read {}: {}", file, std::strerror(errno)));
    }
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (text.size() > max_config_bytes) {
        return base::failure(base::FailureKind::refused,
                             fmt::format("{} is larger than {} bytes", file, max_config_bytes));
    }
    return parse_config(text, file);
}

}  // namespace mimamori::agent
