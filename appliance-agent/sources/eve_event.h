// One line of Suricata's EVE log as plain values: an `alert` with what it embeds, and what an `http`, `fileinfo` or
// `smtp` event states about its flow. Every other event type is well-formed and of no interest.
// Reading only: what a rule means is eve_rules.h's business, joining is eve_detection.h's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "domain/detection.h"

namespace mimamori::agent::sources {

struct EveEnd {
    std::string ip;  // in address_text's form, empty if unknown
    std::uint32_t port = 0;
    friend bool operator==(const EveEnd&, const EveEnd&) = default;
};

struct EveFile {
    std::string name;
    std::string sha256;
};

struct EveMail {
    std::string subject;  // decoded
    std::string date;
};

struct EveSite {
    std::string host;
    std::string url;  // "http://host/path", empty if only the host is known
};

// What one event says about its flow, or about one transaction of it.
struct EveFact {
    std::optional<std::uint64_t> tx_id;
    std::optional<EveSite> site;
    std::optional<EveMail> mail;
    std::optional<EveFile> file;
    EveEnd file_sender, file_receiver;  // of `file`
    bool smtp_seen = false;             // an smtp event, with or without a mail
};

struct EveAlert {
    std::optional<std::uint64_t> tx_id;
    std::int64_t observed_at_us = 0;  // 0: none or unreadable
    EveEnd source, destination;       // of the packet
    std::string source_mac, destination_mac;
    std::optional<EveEnd> initiator, responder;  // of the flow, where the event names them
    std::string protocol, app_protocol;
    std::string signature, category, rule_id;  // rule_id: "gid:signature_id:rev"
    std::int32_t priority = 0;
    domain::Action action = domain::Action::unspecified;
    std::optional<EveSite> site;
    std::optional<EveMail> mail;
    std::optional<EveFile> file;
    std::optional<EveEnd> file_sender, file_receiver;
    bool file_embedded = false;  // the event itself named the file: it moved with the packet
    bool smtp_done = false;      // the flow's smtp event was seen: no mail will follow
    bool file_done = false;      // the flow's fileinfo was seen
    std::string raw;
    bool raw_truncated = false;
};

struct EveEvent {
    std::optional<std::uint64_t> flow_id;  // a full unsigned 64-bit number
    std::optional<EveAlert> alert;
    std::optional<EveFact> fact;
};

// The event, or why the line is rejected. `assumed_utc_offset` is for timestamps without a zone.
tl::expected<EveEvent, std::string> parse_eve(std::string_view line, std::chrono::minutes assumed_utc_offset);

}  // namespace mimamori::agent::sources
