// Direction comes from addresses and the site's LAN ranges, never from a signature's name.
#include <catch2/catch.hpp>

#include <arpa/inet.h>

#include <random>
#include <string>

#include "domain/direction.h"

using namespace mimamori::domain;

TEST_CASE("where a detection starts and ends decides its direction") {
    const std::vector<AddressRange> lan{*parse_range("192.168.10.0/24"), *parse_range("2001:db8:10::/48")};
    struct Row {
        const char* sentence;
        const char* source;
        const char* destination;
        Direction direction;
    };
    const Row rows[] = {
        {"from outside to a device is an attack", "203.0.113.5", "192.168.10.9", Direction::inbound_attack},
        {"from a device to outside may be an infection", "192.168.10.9", "203.0.113.5", Direction::outbound_malicious},
        {"between devices is an internal weakness", "192.168.10.9", "192.168.10.1", Direction::internal_weakness},
        {"another site's private range is outside of this one", "192.168.11.9", "192.168.10.1", Direction::inbound_attack},
        {"neither end in the LAN is unknown", "203.0.113.5", "198.51.100.7", Direction::unknown},
        {"IPv6 works alike", "2001:db8:10:1::5", "2001:db8:ffff::1", Direction::outbound_malicious},
        {"an IPv4 address inside IPv6 is that IPv4 address", "::ffff:192.168.10.9", "203.0.113.5", Direction::outbound_malicious},
        {"a name where an address is expected is outside", "192.168.10.9", "example.com", Direction::outbound_malicious},
        {"a missing destination is outside", "192.168.10.9", "", Direction::outbound_malicious},
        {"nothing known at all is unknown", "", "", Direction::unknown},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        CHECK(direction_of(row.source, row.destination, lan) == row.direction);
    }
}

TEST_CASE("addresses are read strictly") {
    for (const auto* good : {"0.0.0.0", "255.255.255.255", "::", "::1", "1::", "2001:db8::8:800:200c:417a", "::ffff:1.2.3.4", "fe80::1%eth0",
                             "1:2:3:4:5:6:7:8"}) {
        INFO(good);
        CHECK(parse_address(good).has_value());
    }
    for (const auto* bad : {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", ":::", "1::2::3",
                            "12345::", "g::", "1:2:3:4:5:6:7:", "example.com", "1.2.3.4:80", "1.2.3.4::", "1:1.2.3.4::"}) {
        INFO(bad);
        CHECK_FALSE(parse_address(bad));
    }
}

TEST_CASE("an address of any text is what inet_pton makes of it") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random{seed};
    const auto below = [&](unsigned limit) { return std::uniform_int_distribution<unsigned>{0, limit - 1}(random); };
    constexpr std::string_view v4 = "0123456789..", v6 = "0123456789abcdefABCDEF:::::.";
    std::size_t addresses = 0;
    for (int i = 0; i < 200'000; ++i) {
        std::string text;
        switch (below(4)) {
            case 0:  // an address, nearly
                for (int part = 0; part < 4; ++part) {
                    text += (part > 0 ? "." : "") + std::to_string(below(300));
                }
                break;
            case 1:
                for (unsigned part = 0, parts = 6 + below(3); part < parts; ++part) {
                    text += std::string{part > 0 ? ":" : ""} + (below(9) > 0 ? std::string{v6[below(22)]} : ":");
                }
                break;
            default: {
                const auto alphabet = below(2) > 0 ? v4 : v6;
                for (unsigned size = below(18); text.size() < size;) {
                    text += alphabet[below(static_cast<unsigned>(alphabet.size()))];
                }
            }
        }
        if (below(8) == 0 && !text.empty()) {
            text[below(static_cast<unsigned>(text.size()))] = static_cast<char>(1 + below(255));
        }
        if (text.find('%') != std::string::npos) {
            continue;  // zones are ours
        }
        Address expected{};
        const bool is_v6 = text.find(':') != std::string::npos;
        if (!is_v6) {
            expected[10] = expected[11] = 0xFF;
        }
        const bool good = ::inet_pton(is_v6 ? AF_INET6 : AF_INET, text.c_str(), expected.data() + (is_v6 ? 0 : 12)) == 1;
        INFO("'" << text << "'");
        const auto address = parse_address(text);
        REQUIRE(address.has_value() == good);
        if (good) {
            REQUIRE(*address == expected);
            ++addresses;
        }
    }
    CHECK(addresses > 10'000);
}

TEST_CASE("ranges have no host bits and a length that fits") {
    CHECK(parse_range("192.168.10.0/24"));
    CHECK(parse_range("10.1.2.3"));
    CHECK(parse_range("0.0.0.0/0")->contains(*parse_address("203.0.113.9")));
    CHECK_FALSE(parse_range("0.0.0.0/0")->contains(*parse_address("2001:db8::1")));
    CHECK_FALSE(parse_range("192.168.10.1/24"));
    CHECK_FALSE(parse_range("192.168.10.0/33"));
    CHECK_FALSE(parse_range("192.168.10.0/"));
    CHECK(parse_range("10.128.0.0/9")->contains(*parse_address("10.255.255.255")));
    CHECK_FALSE(parse_range("10.128.0.0/9")->contains(*parse_address("10.127.255.255")));
}
