// The service's own line format: one JSON object a line, `"type":"detection"` or `"type":"block"`. native.schema.json
// says it for those who write such lines. Strict about types and values of the fields it knows, because the writer is
// ours; unknown fields are passed over, so that an appliance may be newer than its agent.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "appliance-agent/sources/line_entry.h"

namespace mimamori::agent::sources {

enum class NativeType {
    text,      // string; longer than the field's bound is cut
    address,   // string, an IPv4 or IPv6 address
    mac,       // string, six bytes in hex
    sha256,    // string, 64 hex digits
    time,      // string, RFC 3339 or without a zone
    port,      // integer, 0 to 65535
    priority,  // integer, 0 to 100
    count,     // integer, 1 to 1,000,000,000
    function,  // "ips", "av", "wg", "uf", "apg"
    action,    // "blocked", "rewritten", "logged"
    origin,    // "initiator", "packet", "file_sender"
    kind,      // "url", "ip"
};

struct NativeField {
    std::string_view name;
    NativeType type;
    bool required = false;
};

// The fields of each type beside "type" itself: parser and schema are tested to name the same.
std::span<const NativeField> native_detection_fields();
std::span<const NativeField> native_block_fields();

// The entry, or why the line is rejected: one sentence that names the field.
// Without `origin`, the source is the file's sender for AV and the flow's initiator else.
tl::expected<LineEntry, std::string> parse_native(std::string_view line, std::chrono::minutes assumed_utc_offset);

}  // namespace mimamori::agent::sources
