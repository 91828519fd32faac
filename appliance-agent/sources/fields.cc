#include "appliance-agent/sources/fields.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "domain/direction.h"

namespace mimamori::agent::sources {

std::string address_text(std::string_view text) {
    static constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    const auto address = domain::parse_address(text.substr(0, text.find('%')));
    if (!address) {
        return {};
    }
    const bool v4 = std::equal(v4_prefix.begin(), v4_prefix.end(), address->begin());
    std::array<char, INET6_ADDRSTRLEN> out{};
    const void* bytes = v4 ? address->data() + v4_prefix.size() : address->data();
    return ::inet_ntop(v4 ? AF_INET : AF_INET6, bytes, out.data(), out.size());
}

std::string mac_text(std::string_view text) {
    std::string digits;
    for (const char c : text) {
        if (c != ':' && c != '-' && c != '.') {
            digits.push_back(c);
        }
    }
    const auto bytes = base::from_hex(digits);
    if (!bytes || bytes->size() != 6 || (static_cast<unsigned char>(bytes->front()) & 1) != 0 ||
        std::all_of(bytes->begin(), bytes->end(), [](char c) { return c == 0; })) {
        return {};
    }
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i != 0 && i % 2 == 0) {
            out.push_back('-');
        }
        const char c = digits[i];
        out.push_back(c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c);
    }
    return out;
}

std::string sha256_text(std::string_view text) {
    if (text.size() != 64 || !base::from_hex(text)) {
        return {};
    }
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

}  // namespace mimamori::agent::sources
