// The service's words as types: what an appliance reports and how bad it is. Values and names only, no rules.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace mimamori::domain {

// Numbers are those of mimamori.detection.v1 and of the database; they never change meaning.
enum class Function : std::uint8_t { unspecified = 0, ips = 1, av = 2, wg = 3, uf = 4, apg = 5 };
enum class Action : std::uint8_t { unspecified = 0, blocked = 1, rewritten = 2, logged = 3 };
enum class Origin : std::uint8_t { unspecified = 0, initiator = 1, packet = 2, file_sender = 3 };

enum class Direction : std::uint8_t {
    unknown = 0,  // neither end is in the LAN
    inbound_attack = 1,
    outbound_malicious = 2,
    internal_weakness = 3,
};

// The service's severity: not a SECURITY ACTION star, not a supply-chain scheme star.
enum class Severity : std::uint8_t { none = 0, one_star = 1, two_stars = 2, three_stars = 3 };

inline constexpr std::array<std::string_view, 6> function_names{"unspecified", "ips", "av", "wg", "uf", "apg"};
inline constexpr std::array<std::string_view, 4> action_names{"unspecified", "blocked", "rewritten", "logged"};
inline constexpr std::array<std::string_view, 4> direction_names{"unknown", "inbound_attack", "outbound_malicious",
                                                                 "internal_weakness"};
inline constexpr std::array<std::string_view, 4> severity_names{"none", "one_star", "two_stars", "three_stars"};

constexpr std::string_view name_of(Function f) { return function_names[static_cast<std::size_t>(f)]; }
constexpr std::string_view name_of(Action a) { return action_names[static_cast<std::size_t>(a)]; }
constexpr std::string_view name_of(Direction d) { return direction_names[static_cast<std::size_t>(d)]; }
constexpr std::string_view name_of(Severity s) { return severity_names[static_cast<std::size_t>(s)]; }

template <class Enum, std::size_t N>
constexpr std::optional<Enum> named(std::string_view name, const std::array<std::string_view, N>& names) {
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == name) {
            return static_cast<Enum>(i);
        }
    }
    return std::nullopt;
}
constexpr std::optional<Function> function_named(std::string_view name) { return named<Function>(name, function_names); }
constexpr std::optional<Action> action_named(std::string_view name) { return named<Action>(name, action_names); }
constexpr std::optional<Direction> direction_named(std::string_view name) {
    return named<Direction>(name, direction_names);
}
constexpr std::optional<Severity> severity_named(std::string_view name) { return named<Severity>(name, severity_names); }

// One detection as the correlator reads it: views into the batch's bytes, which must outlive it.
// Fields are those of mimamori.detection.v1.Detection (proto/), where each is explained.
struct DetectionView {
    Function function = Function::unspecified;
    Action action = Action::unspecified;
    Origin origin = Origin::unspecified;
    std::int64_t observed_at_us = 0;
    std::int64_t spooled_at_us = 0;
    std::int64_t clock_offset_us = 0;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::int32_t vendor_priority = 0;
    bool raw_truncated = false;
    std::string_view source_ip, destination_ip, lan_mac, protocol, app_protocol;
    std::string_view threat_name, threat_id, virus_name, virus_id;
    std::string_view file_name, file_sha256, mail_subject, mail_date;
    std::string_view destination_host, url, category, application;
    std::string_view source_format, source_id, raw;

    // What the rules look at: the signature, the virus, the site or the application, by function.
    std::string_view name() const {
        switch (function) {
            case Function::av: return virus_name.empty() ? threat_name : virus_name;
            case Function::wg: return threat_name.empty() ? (url.empty() ? destination_host : url) : threat_name;
            case Function::uf: return category;
            case Function::apg: return application;
            default: return threat_name;
        }
    }
};

}  // namespace mimamori::domain
