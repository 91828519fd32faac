// What one line of a detector's log says, for formats whose lines stand alone: a detection, a block, or nothing that
// the service wants to know. And what the firewalls' formats have in common on the way there.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

#include "domain/direction.h"
#include "mimamori/detection/v1/detection.pb.h"

namespace mimamori::agent::sources {

// Well-formed and no detection (traffic, system events); counted by kind, "m=537" or "traffic/forward".
struct Skipped {
    std::string kind;
};

using LineEntry = std::variant<detection::v1::Detection, detection::v1::Block, Skipped>;

struct LineContext {
    std::chrono::minutes assumed_utc_offset;  // of timestamps without a zone
    const std::vector<domain::AddressRange>& lan;
};

// One end of a flow as a line names it.
struct LineEnd {
    std::string ip;  // in address_text's form, empty if unknown
    std::uint32_t port = 0;
    std::string mac;   // in mac_text's form
    std::string name;  // where a name stood in the address's place
};
void set_ends(detection::v1::Detection& out, LineEnd source, LineEnd destination, const LineContext& context);

// An address block's or site block's entry; an IP block is about the end outside the LAN.
detection::v1::Block url_block(std::string_view host, std::string_view category, std::int64_t observed_at_us);
detection::v1::Block ip_block(const LineEnd& source, const LineEnd& destination, std::int64_t observed_at_us,
                              const LineContext& context);

std::uint32_t port_of(std::string_view text);  // 0 if it is none
// "TCP" from "tcp", "6" or "tcp/https"; what follows the slash is the application's protocol if it is no number.
void set_protocol(detection::v1::Detection& out, std::string_view text);
// "https://host/path" from host and path; `path` may be a whole address already. Sets destination_host too.
void set_site(detection::v1::Detection& out, std::string_view host, std::string_view path, bool tls);

}  // namespace mimamori::agent::sources
