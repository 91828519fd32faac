#include "domain/direction.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace mimamori::domain {
namespace {

constexpr Address mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0};

template <class Int>
std::optional<Int> parse_number(std::string_view text, int base) {
    Int value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
        return std::nullopt;
    }
    return value;
}

std::optional<Address> parse_ipv4(std::string_view text) {
    Address out = mapped_prefix;
    std::size_t part = 0, digits = 0;
    unsigned value = 0;
    for (const char c : text) {
        if (c >= '0' && c <= '9' && (digits == 0 || value != 0)) {  // no leading zero
            value = value * 10 + static_cast<unsigned>(c - '0');
            ++digits;
        } else if (c == '.' && digits > 0 && part < 3) {
            out[12 + part++] = static_cast<std::uint8_t>(value);
            value = 0;
            digits = 0;
        } else {
            return std::nullopt;
        }
        if (value > 255) {
            return std::nullopt;
        }
    }
    out[15] = static_cast<std::uint8_t>(value);
    return part == 3 && digits > 0 ? std::optional{out} : std::nullopt;
}

// Groups of one side of "::", written to `out`; returns how many bytes, empty if malformed. The last one of an address
// may be an IPv4 address.
std::optional<std::size_t> parse_groups(std::string_view text, bool is_end, std::array<std::uint8_t, 16>& out) {
    std::size_t at = 0;
    while (!text.empty()) {
        const auto colon = text.find(':');
        const auto group = text.substr(0, colon);
        if (group.find('.') != std::string_view::npos) {
            const auto v4 = parse_ipv4(group);
            if (!v4 || !is_end || colon != std::string_view::npos || at + 4 > 16) {
                return std::nullopt;
            }
            std::copy(v4->begin() + 12, v4->end(), out.begin() + static_cast<std::ptrdiff_t>(at));
            return at + 4;
        }
        const auto value = parse_number<unsigned>(group, 16);
        if (!value || group.size() > 4 || at + 2 > 16) {
            return std::nullopt;
        }
        out[at++] = static_cast<std::uint8_t>(*value >> 8);
        out[at++] = static_cast<std::uint8_t>(*value & 0xFF);
        if (colon == std::string_view::npos) {
            break;
        }
        text.remove_prefix(colon + 1);
        if (text.empty()) {
            return std::nullopt;  // ends in a single colon
        }
    }
    return at;
}

std::optional<Address> parse_ipv6(std::string_view text) {
    text = text.substr(0, text.find('%'));  // a zone says nothing about the network
    const auto gap = text.find("::");
    Address out{};
    std::array<std::uint8_t, 16> part{};
    if (gap == std::string_view::npos) {
        const auto size = parse_groups(text, true, part);
        return size == 16 ? std::optional{part} : std::nullopt;
    }
    const auto head = parse_groups(text.substr(0, gap), false, out);
    const auto tail = parse_groups(text.substr(gap + 2), true, part);
    if (!head || !tail || *head + *tail > 14) {
        return std::nullopt;
    }
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(*head), out.end(), std::uint8_t{0});
    std::copy_n(part.begin(), *tail, out.end() - static_cast<std::ptrdiff_t>(*tail));
    return out;
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) {
    return text.find(':') == std::string_view::npos ? parse_ipv4(text) : parse_ipv6(text);
}

bool AddressRange::contains(const Address& address) const {
    const std::size_t whole = prefix_length / 8;
    // Backwards: the front is the same for all IPv4 addresses.
    for (std::size_t i = whole; i > 0; --i) {
        if (network[i - 1] != address[i - 1]) {
            return false;
        }
    }
    const unsigned rest = prefix_length % 8;
    return rest == 0 || (network[whole] ^ address[whole]) >> (8 - rest) == 0;
}

std::optional<AddressRange> parse_range(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    const bool v4 = text.find(':') == std::string_view::npos;
    unsigned length = 128;
    if (slash != std::string_view::npos) {
        const auto given = parse_number<unsigned>(text.substr(slash + 1), 10);
        if (!given || *given > (v4 ? 32U : 128U)) {
            return std::nullopt;
        }
        length = v4 ? 96 + *given : *given;
    }
    AddressRange range{*address, length};
    for (unsigned bit = length; bit < 128; ++bit) {
        if (((*address)[bit / 8] >> (7 - bit % 8) & 1) != 0) {
            return std::nullopt;
        }
    }
    return range;
}

const std::vector<AddressRange>& private_ranges() {
    static const std::vector<AddressRange> ranges = [] {
        std::vector<AddressRange> out;
        for (const auto* text : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"}) {
            out.push_back(*parse_range(text));
        }
        return out;
    }();
    return ranges;
}

Direction direction_of(std::string_view source, std::string_view destination, const std::vector<AddressRange>& lan) {
    const auto inside = [&](std::string_view text) {
        const auto address = parse_address(text);
        return address && std::any_of(lan.begin(), lan.end(), [&](const auto& range) { return range.contains(*address); });
    };
    const bool from_lan = inside(source);
    const bool to_lan = inside(destination);
    if (from_lan) {
        return to_lan ? Direction::internal_weakness : Direction::outbound_malicious;
    }
    return to_lan ? Direction::inbound_attack : Direction::unknown;
}

}  // namespace mimamori::domain
