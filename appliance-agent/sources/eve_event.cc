#include "appliance-agent/sources/eve_event.h"

#include <fmt/format.h>

#include <algorithm>

#include "appliance-agent/sources/encoded_words.h"
#include "appliance-agent/sources/fields.h"
#include "appliance-agent/sources/json.h"
#include "base/text.h"
#include "base/time.h"

namespace mimamori::agent::sources {
namespace {

using boost::json::object;

std::string capped(std::string_view text, std::size_t max_bytes) {
    return base::to_valid_utf8(text, max_bytes);
}

EveEnd end_of(const object& from, std::string_view ip, std::string_view port) {
    const auto number = number_at(from, port).value_or(0);
    return {.ip = address_text(text_at(from, ip)), .port = number > 65535 ? 0 : static_cast<std::uint32_t>(number)};
}

// First object of an array member.
const object* first_of(const object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    const auto* array = value == nullptr ? nullptr : value->if_array();
    return array == nullptr || array->empty() ? nullptr : array->front().if_object();
}

EveSite site_of_http(const object& http) {
    // What Suricata writes where it saw a response without its request.
    static constexpr std::string_view no_request = "/libhtp::request_uri_not_seen";
    EveSite site{.host = capped(text_at(http, "hostname"), max_host_bytes), .url = {}};
    const auto url = text_at(http, "url");
    if (url.empty() || url == no_request) {
        return site;
    }
    if (url.front() == '/' && !site.host.empty()) {
        const auto port = number_at(http, "http_port").value_or(80);
        const bool v6 = site.host.find(':') != std::string::npos && site.host.front() != '[';
        const auto host = v6 ? fmt::format("[{}]", site.host) : site.host;
        const auto whole =
            port == 80 ? fmt::format("http://{}{}", host, url) : fmt::format("http://{}:{}{}", host, port, url);
        site.url = capped(whole, max_url_bytes);
    } else {
        site.url = capped(url, max_url_bytes);
    }
    return site;
}

std::optional<EveSite> site_of(const object& event) {
    if (const auto* http = object_at(event, "http")) {
        return site_of_http(*http);
    }
    std::string_view host;
    if (const auto* tls = object_at(event, "tls")) {
        host = text_at(*tls, "sni");
    } else if (const auto* dns = object_at(event, "dns")) {
        const auto* query = first_of(*dns, "queries");
        query = query == nullptr ? first_of(*dns, "query") : query;
        host = text_at(query == nullptr ? *dns : *query, "rrname");
    }
    if (host.empty()) {
        return std::nullopt;
    }
    return EveSite{.host = capped(host, max_host_bytes), .url = {}};
}

std::optional<EveMail> mail_of(const object& event) {
    const auto* email = object_at(event, "email");
    if (email == nullptr) {
        return std::nullopt;
    }
    EveMail mail{.subject = capped(decode_encoded_words(text_at(*email, "subject")), max_mail_subject_bytes),
                 .date = capped(text_at(*email, "date"), max_id_bytes)};
    return mail.subject.empty() && mail.date.empty() ? std::nullopt : std::optional(std::move(mail));
}

EveFile file_of(const object& file) {
    return {.name = capped(text_at(file, "filename"), max_file_name_bytes),
            .sha256 = sha256_text(text_at(file, "sha256"))};
}

// Of several files the first whose hash is known, else the first.
std::optional<EveFile> file_of_alert(const object& event) {
    if (const auto* info = object_at(event, "fileinfo")) {
        return file_of(*info);
    }
    const auto* value = event.if_contains("files");
    const auto* files = value == nullptr ? nullptr : value->if_array();
    std::optional<EveFile> found;
    for (std::size_t i = 0; files != nullptr && i < files->size(); ++i) {
        const auto* file = (*files)[i].if_object();
        if (file != nullptr && (!found || found->sha256.empty())) {
            auto next = file_of(*file);
            if (!found || !next.sha256.empty()) {
                found = std::move(next);
            }
        }
    }
    return found;
}

// What was done in the end stands in `verdict`; without it, what the rule did.
domain::Action action_of(const object& event, const object& alert) {
    const auto* verdict = object_at(event, "verdict");
    const auto action = verdict == nullptr ? std::string_view{} : text_at(*verdict, "action");
    const auto word = action.empty() ? text_at(alert, "action") : action;
    if (word == "blocked" || word == "drop" || word == "reject") {
        return domain::Action::blocked;
    }
    if (word == "allowed" || word == "alert" || word == "pass" || word == "accept") {
        return domain::Action::logged;
    }
    return domain::Action::unspecified;
}

tl::expected<EveAlert, std::string> read_alert(const object& event, std::string_view line,
                                               std::chrono::minutes assumed) {
    const auto* alert = object_at(event, "alert");
    if (alert == nullptr) {
        return tl::unexpected(std::string("event_type is alert, but there is no object alert"));
    }
    EveAlert out;
    out.signature = capped(text_at(*alert, "signature"), max_name_bytes);
    const auto signature_id = number_at(*alert, "signature_id");
    if (out.signature.empty() && !signature_id) {
        return tl::unexpected(std::string("alert has neither signature nor signature_id"));
    }
    if (signature_id) {
        out.rule_id = fmt::format("{}:{}:{}", number_at(*alert, "gid").value_or(1), *signature_id,
                                  number_at(*alert, "rev").value_or(0));
    }
    if (out.signature.empty()) {
        out.signature = out.rule_id;
    }
    out.category = capped(text_at(*alert, "category"), max_name_bytes);
    out.priority = static_cast<std::int32_t>(std::min<std::uint64_t>(number_at(*alert, "severity").value_or(0), 255));
    out.action = action_of(event, *alert);
    out.tx_id = number_at(event, "tx_id");
    if (!out.tx_id) {
        out.tx_id = number_at(*alert, "tx_id");
    }
    const auto time = base::parse_timestamp(text_at(event, "timestamp"), assumed);
    out.observed_at_us = time ? base::to_us(*time) : 0;
    out.source = end_of(event, "src_ip", "src_port");
    out.destination = end_of(event, "dest_ip", "dest_port");
    if (const auto* ether = object_at(event, "ether")) {
        out.source_mac = mac_text(text_at(*ether, "src_mac"));
        out.destination_mac = mac_text(text_at(*ether, "dest_mac"));
    }
    if (const auto* flow = object_at(event, "flow")) {
        auto initiator = end_of(*flow, "src_ip", "src_port");
        auto responder = end_of(*flow, "dest_ip", "dest_port");
        if (!initiator.ip.empty() && !responder.ip.empty()) {
            out.initiator = std::move(initiator);
            out.responder = std::move(responder);
        }
    }
    out.protocol = capped(text_at(event, "proto"), max_protocol_bytes);
    out.app_protocol = capped(text_at(event, "app_proto"), max_protocol_bytes);
    if (out.app_protocol == "failed" || out.app_protocol == "unknown") {
        out.app_protocol.clear();
    }
    for (const auto* name : {"http", "tls", "dns", "smtp"}) {
        if (out.app_protocol.empty() && event.contains(name)) {
            out.app_protocol = name;
        }
    }
    out.site = site_of(event);
    out.mail = mail_of(event);
    out.file = file_of_alert(event);
    if (out.file) {
        out.file_embedded = true;
        out.file_sender = out.source;
        out.file_receiver = out.destination;
    }
    out.raw = line.substr(0, max_raw_bytes);
    out.raw_truncated = line.size() > max_raw_bytes;
    return out;
}

std::optional<EveFact> read_fact(const object& event, std::string_view type) {
    EveFact fact;
    fact.tx_id = number_at(event, "tx_id");
    fact.site = site_of(event);
    fact.mail = mail_of(event);
    fact.smtp_seen = type == "smtp";
    if (const auto* info = object_at(event, "fileinfo")) {
        fact.file = file_of(*info);
        fact.file_sender = end_of(event, "src_ip", "src_port");
        fact.file_receiver = end_of(event, "dest_ip", "dest_port");
        if (const auto tx_id = number_at(*info, "tx_id")) {
            fact.tx_id = tx_id;
        }
    }
    const bool says_something = fact.site || fact.mail || fact.file || fact.smtp_seen;
    return says_something ? std::optional(std::move(fact)) : std::nullopt;
}

}  // namespace

tl::expected<EveEvent, std::string> parse_eve(std::string_view line, std::chrono::minutes assumed_utc_offset) {
    JsonLine json;
    const auto object = json.parse(line);
    if (!object) {
        return tl::unexpected(object.error());
    }
    const auto type = text_at(**object, "event_type");
    if (type.empty()) {
        return tl::unexpected(std::string("not an EVE event: event_type is missing"));
    }
    EveEvent event;
    event.flow_id = number_at(**object, "flow_id");
    if (type == "alert") {
        auto alert = read_alert(**object, line, assumed_utc_offset);
        if (!alert) {
            return tl::unexpected(alert.error());
        }
        event.alert = std::move(*alert);
    } else if (type == "http" || type == "fileinfo" || type == "smtp") {
        event.fact = read_fact(**object, type);
    }
    return event;
}

}  // namespace mimamori::agent::sources
