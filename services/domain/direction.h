// Direction of a detection: from addresses and the site's LAN ranges, never from a signature's name.
// Table 3-7 and the notes of the service: it starts at the initiator, for anti-virus at the sender of the file.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "domain/detection.h"

namespace mimamori::domain {

// An IPv4 address is kept as its IPv4-mapped IPv6 form (RFC 4291, section 2.5.5.2).
using Address = std::array<std::uint8_t, 16>;
std::optional<Address> parse_address(std::string_view text);

struct AddressRange {
    Address network{};
    unsigned prefix_length = 128;  // of the 128-bit form
    bool contains(const Address& address) const;
};
// "192.0.2.0/24", "2001:db8::/32" or a single address. Host bits must be zero.
std::optional<AddressRange> parse_range(std::string_view text);

// What a site's LAN consists of until the service has told the agent: RFC 1918, RFC 4193, link-local.
const std::vector<AddressRange>& private_ranges();

// `source` is where the detection starts (see Origin). An end that is no address counts as outside the LAN.
Direction direction_of(std::string_view source, std::string_view destination, const std::vector<AddressRange>& lan);

}  // namespace mimamori::domain
