// What every entry made of a detector's line must be: text that can be stored, within its bounds, and the same after it
// went over the wire.
#pragma once

#include <initializer_list>

#include "appliance-agent/sources/fields.h"
#include "appliance-agent/sources/line_entry.h"
#include "base/text.h"
#include "fuzz/require.h"

namespace mimamori::fuzz {

inline void check_text(const std::string& text, std::size_t max_bytes) {
    require(text.size() <= max_bytes, "a field is within its bound");
    require(base::is_utf8(text) && text.find('\0') == std::string::npos, "a field can be stored");
}

inline void check_entry(const detection::v1::Detection& d) {
    require(d.function() != detection::v1::FUNCTION_UNSPECIFIED, "a detection has a function");
    require(d.source_port() <= 65535 && d.destination_port() <= 65535, "ports are ports");
    for (const auto* text :
         {&d.source_ip(), &d.destination_ip(), &d.lan_mac(), &d.protocol(), &d.app_protocol(), &d.threat_name(),
          &d.threat_id(), &d.virus_name(), &d.virus_id(), &d.file_name(), &d.file_sha256(), &d.mail_subject(),
          &d.mail_date(), &d.destination_host(), &d.url(), &d.category(), &d.application()}) {
        check_text(*text, agent::sources::max_url_bytes);
    }
    detection::v1::Detection again;
    require(again.ParseFromString(d.SerializeAsString()), "a detection can be read again");
}

inline void check_entry(const detection::v1::Block& b) {
    require(!b.key().empty() && b.count() > 0, "a block has a key and a count");
    check_text(b.key(), agent::sources::max_host_bytes);
    check_text(b.category(), agent::sources::max_name_bytes);
}

inline void check_entry(const agent::sources::Skipped&) {}

template <class Parsed>
void check_line(const Parsed& parsed) {
    if (parsed) {
        std::visit([](const auto& entry) { check_entry(entry); }, *parsed);
    } else {
        require(!parsed.error().empty(), "a refusal says why");
    }
}

}  // namespace mimamori::fuzz
