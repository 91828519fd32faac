// What the shipped packs make of other makers' detectors: their categories, their priorities, their messages.
#include <catch2/catch.hpp>
#include <utility>

#include "adapters/hyperscan/shipped_pack.h"

namespace mimamori::tests {
namespace {

using domain::DetectionView;
using domain::Direction;
using domain::Function;
using domain::Severity;

TEST_CASE("the detectors' own categories decide where no rule does, and never reach three stars") {
    Shipped shipped{"mimamori-2020.yaml"};
    const auto judged = [&](const char* category, Direction direction) {
        DetectionView detection;
        detection.function = Function::ips;
        detection.threat_name = "Never seen";
        detection.category = category;
        return domain::judge(shipped.pack, detection, direction, shipped.matcher->match("Never seen"));
    };
    CHECK(judged("A Network Trojan was detected", Direction::outbound_malicious).class_id == "malware_traffic");
    CHECK(judged("Detection of a Network Scan", Direction::outbound_malicious).class_id == "outbound_attack");
    CHECK(judged("Generic Protocol Command Decode", Direction::internal_weakness).severity == Severity::none);
    CHECK(judged("ICMP", Direction::outbound_malicious).severity == Severity::none);
    CHECK(judged("A category of tomorrow", Direction::outbound_malicious).class_id == "suspicious_outbound");
    for (const auto& rule : shipped.pack.categories) {
        INFO(rule.id);
        for (const auto d : {Direction::unknown, Direction::outbound_malicious, Direction::internal_weakness}) {
            CHECK(judged(rule.category.c_str(), d).severity <= Severity::two_stars);
            CHECK_FALSE(judged(rule.category.c_str(), d).known);
        }
        CHECK(judged(rule.category.c_str(), Direction::inbound_attack).severity == Severity::none);
    }
}

TEST_CASE("no severity comes from a vendor's priority") {
    Shipped shipped{"mimamori-2020.yaml"};
    for (const auto& name : names_of(shipped.pack)) {
        for (const auto f : {Function::ips, Function::av, Function::wg}) {
            for (const auto d : {Direction::unknown, Direction::inbound_attack, Direction::outbound_malicious,
                                 Direction::internal_weakness}) {
                const auto severity = shipped.judge(f, d, name).severity;
                for (const int priority : {1, 2, 3, 4}) {
                    CHECK(shipped.judge(f, d, name, priority).severity == severity);
                }
            }
        }
    }
}

TEST_CASE("every SonicWall event of the catalogue has a kind, whichever way it goes") {
    // The messages of the log event reference, by the numbers (m=) that the pilot counted; %s filled in.
    const std::pair<const char*, const char*> events[] = {
        {"Possible port scan detected", "outbound_attack"},
        {"Probable port scan detected", "outbound_attack"},
        {"Probable TCP FIN scan detected", "outbound_attack"},
        {"Probable TCP XMAS scan detected", "outbound_attack"},
        {"Probable TCP NULL scan detected", "outbound_attack"},
        {"TCP Xmas Tree dropped", "outbound_attack"},
        {"TCP Null Flag dropped", "outbound_attack"},
        {"Ping of death dropped", "outbound_attack"},
        {"Possible SYN flood attack detected", "outbound_attack"},
        {"Land attack dropped", "outbound_attack"},
        {"Smurf Amplification attack dropped", "outbound_attack"},
        {"Spank attack multicast packet dropped", "outbound_attack"},
        {"Possible SYN Flood on IF X1", "outbound_attack"},
        {"SYN flood ceased or flooding machines blacklisted - connection proxy disabled", "informational"},
        {"SYN Flood blacklisting enabled by user", "informational"},
        {"SYN Flood blacklisting disabled by user", "informational"},
        {"SYN-Flooding machine 00:00:5e:00:53:01 blacklisted", "outbound_attack"},
        {"Machine 00:00:5e:00:53:01 removed from SYN flood blacklist", "informational"},
        {"Possible SYN Flood on IF X1 continues", "outbound_attack"},
        {"Possible SYN Flood on IF X1 has ceased", "informational"},
        {"SYN Flood Blacklist on IF X1 continues", "outbound_attack"},
        {"TCP SYN received", "informational"},
        {"Possible RST Flood on IF X1", "outbound_attack"},
        {"Possible FIN Flood on IF X1", "outbound_attack"},
        {"Possible RST Flood on IF X1 has ceased", "informational"},
        {"Possible FIN Flood on IF X1 continues", "outbound_attack"},
        {"DOS protection on WAN begins", "outbound_attack"},
        {"Possible UDP flood attack detected", "outbound_attack"},
        {"Possible ICMP flood attack detected", "outbound_attack"},
        {"TCP-Flooding machine 00:00:5e:00:53:01 blacklisted", "outbound_attack"},
        {"Possible TCP Flood on IF X1 has ceased", "informational"},
        {"IPv6 fragment dropped, invalid length (<1280 Bytes)", "informational"},
        {"IGMP packet dropped, incomplete fragments", "informational"},
        {"UDP fragment dropped, exceeds maximum IP datagram size (>65535)", "informational"},
        {"Nestea/Teardrop attack dropped", "outbound_attack"},
        {"Possible UDPv6 flood attack detected", "outbound_attack"},
        {"Possible ICMPv6 flood attack detected", "outbound_attack"},
        {"Too many half-open TCP connection", "outbound_attack"},
    };
    Shipped shipped{"mimamori-2020.yaml"};
    for (const auto& [name, class_id] : events) {
        INFO(name);
        const auto verdict = shipped.judge(Function::ips, Direction::outbound_malicious, name);
        CHECK(verdict.reason == domain::Reason::rule);
        CHECK(verdict.class_id == class_id);
        const auto inbound = shipped.judge(Function::ips, Direction::inbound_attack, name);
        CHECK(inbound.known);
        CHECK(inbound.severity == Severity::none);
    }
    for (const char* list : {"", ", Source: Custom List", ", Source: Dynamic List"}) {
        const auto responder = std::string{"Suspected Botnet responder blocked: Responder IP:203.0.113.51"} + list;
        CHECK(shipped.judge(Function::wg, Direction::outbound_malicious, responder).class_id == "vendor_botnet");
        const auto initiator = std::string{"Suspected Botnet initiator blocked: Initiator IP:203.0.113.60"} + list;
        CHECK(shipped.judge(Function::wg, Direction::inbound_attack, initiator).severity == Severity::none);
        CHECK(shipped.judge(Function::wg, Direction::outbound_malicious, initiator).severity == Severity::two_stars);
    }
}

}  // namespace
}  // namespace mimamori::tests
