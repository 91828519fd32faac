// Lines written after the public catalogue of SonicOS and after the forms of public samples, with documentation
// addresses.
#include "appliance-agent/sources/sonicwall.h"

#include <set>

#include "appliance-agent/sources/site_categories.h"
#include "appliance-agent/sources/sonicwall_events.h"
#include "base/text.h"
#include "support.h"

namespace mimamori::agent::sources {
namespace {

namespace pb = detection::v1;

LineEntry entry_of(std::string_view line) {
    auto entry =
        parse_sonicwall(line, {.assumed_utc_offset = std::chrono::minutes{540}, .lan = domain::private_ranges()});
    INFO(line);
    REQUIRE(entry);
    return *entry;
}

pb::Detection detection_of(std::string_view line) {
    const auto entry = entry_of(line);
    INFO(line);
    REQUIRE(std::holds_alternative<pb::Detection>(entry));
    return std::get<pb::Detection>(entry);
}

std::string skipped_of(std::string_view line) {
    const auto entry = entry_of(line);
    INFO(line);
    REQUIRE(std::holds_alternative<Skipped>(entry));
    return std::get<Skipped>(entry).kind;
}

const std::string head =
    R"(<129>id=firewall sn=00401000A0B0 time="2026-04-08 01:39:40 UTC" fw=203.0.113.1 pri=1 c=32 )";
constexpr std::int64_t head_time_us = 1'775'612'380'000'000;  // 2026-04-08T01:39:40Z

TEST_CASE("an intrusion that was prevented, with every field") {
    const auto d = detection_of(
        head +
        R"(m=609 msg="IPS Prevention Alert: DNS named version attempt, SID: 143, Priority: Low" sid=143 ipscat=DNS ipspri=3 n=3 )"
        R"(src=192.168.169.180:2907:X0:pc1 dst=198.51.100.11:53:X1 srcMac=00:00:5e:00:53:17 dstMac=00-00-5E-00-53-FE proto=udp/dns fw_action="drop")");
    CHECK(d.function() == pb::FUNCTION_IPS);
    CHECK(d.action() == pb::ACTION_BLOCKED);
    CHECK(d.origin() == pb::ORIGIN_PACKET);
    CHECK(d.observed_at_us() == head_time_us);
    CHECK(d.threat_name() == "DNS named version attempt");
    CHECK(d.threat_id() == "143");
    CHECK(d.category() == "DNS");
    CHECK(d.vendor_priority() == 3);
    CHECK(d.source_ip() == "192.168.169.180");
    CHECK(d.source_port() == 2907);
    CHECK(d.destination_ip() == "198.51.100.11");
    CHECK(d.destination_port() == 53);
    CHECK(d.lan_mac() == "00-00-5E-00-53-17");
    CHECK(d.protocol() == "UDP");
    CHECK(d.app_protocol() == "dns");
}

TEST_CASE("detected or prevented: by the id, unless the line says") {
    CHECK(detection_of(head + R"(m=608 msg="IPS Detection Alert: x" fw_action="NA")").action() == pb::ACTION_LOGGED);
    CHECK(detection_of(head + R"(m=608 msg="IPS Detection Alert: x" fw_action="drop")").action() == pb::ACTION_BLOCKED);
    CHECK(detection_of(head + R"(m=609 msg="IPS Prevention Alert: x")").action() == pb::ACTION_BLOCKED);
    CHECK(detection_of(head + R"(m=609 msg="IPS Prevention Alert: x" fw_action="forward")").action() ==
          pb::ACTION_LOGGED);
}

TEST_CASE("scans and floods carry their message as the name and m= as the id") {
    const auto d = detection_of(
        R"(id=firewall sn=00401000A0B0 time="2026-04-08 10:39:40" fw=203.0.113.1 pri=1 c=32 m=83 msg="Probable port scan detected" )"
        R"(n=1 src=198.51.100.7:4000:X1 dst=203.0.113.1:22:X1 note="TCP scanned port list, 21, 22, 23")");
    CHECK(d.function() == pb::FUNCTION_IPS);
    CHECK(d.threat_name() == "Probable port scan detected");
    CHECK(d.threat_id() == "m=83");
    CHECK(d.observed_at_us() == head_time_us);  // without a zone: the device's, +09:00
    CHECK(detection_of(head + "m=83").threat_name() == "Probable port scan");
}

// 809, 794 and 795 are built from the catalogue's message forms: public lines of them are rare.
TEST_CASE("a virus and spyware: name, kind and sender") {
    const auto virus = detection_of(
        head +
        R"(m=809 msg="Gateway Anti-Virus Alert: Example.A_7854 (Trojan) blocked." n=1 src=198.51.100.7:80:X1 dst=192.168.10.31:60818:X0 )"
        R"(srcMac=00:00:5e:00:53:fe dstMac=00:00:5E:00:53:21 proto=tcp/http)");
    CHECK(virus.function() == pb::FUNCTION_AV);
    CHECK(virus.virus_name() == "Example.A_7854");
    CHECK(virus.category() == "Trojan");
    CHECK(virus.virus_id() == "m=809");
    CHECK(virus.origin() == pb::ORIGIN_FILE_SENDER);
    CHECK(virus.source_ip() == "198.51.100.7");
    CHECK(virus.lan_mac() == "00-00-5E-00-53-21");
    CHECK(virus.action() == pb::ACTION_BLOCKED);
    const auto spyware = detection_of(
        head +
        R"(m=794 msg="Anti-Spyware Prevention Alert: Example toolbar" sid=2411 spycat="Example" spypri=2 src=192.168.10.31:60818:X0 dst=198.51.100.7:80:X1)");
    CHECK(spyware.function() == pb::FUNCTION_AV);
    CHECK(spyware.virus_name() == "Example toolbar");
    CHECK(spyware.virus_id() == "2411");
    CHECK(spyware.vendor_priority() == 2);
    CHECK(detection_of(head + R"(m=795 msg="Anti-Spyware Detection Alert: y")").action() == pb::ACTION_LOGGED);
    CHECK(detection_of(head + R"(m=809 msg="Gateway Anti-Virus Alert: (Trojan) blocked.")").virus_name() ==
          "(Trojan)");
}

// 1200 and 1201 are built from the catalogue's message forms: public lines of them are rare.
TEST_CASE("a botnet is Web Guard's") {
    const auto d = detection_of(
        head +
        R"(m=1201 msg="Suspected Botnet responder blocked: Responder from example.net" n=1 src=192.168.10.31:60818:X0 dst=198.51.100.7:443:X1 dstname=example.net)");
    CHECK(d.function() == pb::FUNCTION_WG);
    CHECK(d.threat_name() == "Suspected Botnet responder blocked: Responder from example.net");
    CHECK(d.destination_host() == "example.net");
    for (const int id : {1200, 1476, 1477, 1518, 1519}) {
        CHECK(detection_of(head + "m=" + std::to_string(id)).function() == pb::FUNCTION_WG);
    }
}

std::string site_line(int id, const std::string& category, const std::string& rest = {}) {
    return head + "m=" + std::to_string(id) +
           R"( msg="Web site access" app=9 n=61 src=192.168.10.77:51000:X0 dst=198.51.100.40:443:X1:edge.example dstname=www.example.com )"
           R"(arg=/a?b=c code=11 )" +
           (category.empty() ? "" : "Category=\"" + category + "\" ") + "proto=tcp/https " + rest;
}

TEST_CASE("a site is Web Guard's, the category filter's or a roll-up's by its category") {
    const auto dangerous = detection_of(site_line(14, "Malware"));
    CHECK(dangerous.function() == pb::FUNCTION_WG);
    CHECK(dangerous.action() == pb::ACTION_BLOCKED);
    CHECK(dangerous.url() == "https://www.example.com/a?b=c");
    CHECK(dangerous.destination_host() == "www.example.com");
    const auto off_business = detection_of(site_line(1461, "Gambling"));
    CHECK(off_business.function() == pb::FUNCTION_UF);
    CHECK(off_business.category() == "Gambling");
    CHECK(detection_of(site_line(97, "Games")).action() == pb::ACTION_LOGGED);
    for (const auto* category : {"Advertisement", "Not Rated", "Business and Economy", ""}) {
        const auto blocked = entry_of(site_line(14, category));
        REQUIRE(std::holds_alternative<pb::Block>(blocked));
        const auto& block = std::get<pb::Block>(blocked);
        CHECK(block.kind() == "url");
        CHECK(block.key() == "www.example.com");
        CHECK(block.category() == category);
        CHECK(block.count() == 1);
        CHECK(block.observed_at_us() == head_time_us);
        CHECK(skipped_of(site_line(16, category)) == "m=16");
    }
    CHECK(skipped_of(site_line(14, "", "fw_action=\"forward\"")) == "m=14");
}

TEST_CASE("the lists of site categories") {
    for (const auto* name :
         {"Malware", "Phishing and Other Frauds", "Malicious Websites", "Spyware and Adware", "Spam URLs"}) {
        CHECK(site_kind(name) == SiteKind::dangerous);
    }
    for (const auto* name :
         {"Gambling", "Social Networking", "Adult/Mature Content", "Freeware/Software Downloads", "Sports/Recreation",
          "Internet Auctions", "Shopping", "Hacking/Proxy Avoidance Systems", "Games"}) {
        CHECK(site_kind(name) == SiteKind::off_business);
    }
    for (const auto* name :
         {"", "Not Rated", "Advertisement", "Information Technology/Computers", "Cultural Institutions",
          "Search Engines and Portals", "Newly Observed Domain", "Dynamic DNS"}) {
        CHECK(site_kind(name) == SiteKind::ordinary);
    }
}

TEST_CASE("an application: its name, or the alert's text where only the carrier is named") {
    const auto d = detection_of(
        head +
        R"(m=1154 msg="Application Control Detection Alert: SOCIAL-NETWORKING Example -- Post" sid=5183 appcat="SOCIAL-NETWORKING" appName='General HTTPS' src=192.168.10.77:51000:X0 dst=198.51.100.40:443:X1)");
    CHECK(d.function() == pb::FUNCTION_APG);
    CHECK(d.application() == "SOCIAL-NETWORKING Example -- Post");
    CHECK(d.category() == "SOCIAL-NETWORKING");
    CHECK(d.action() == pb::ACTION_LOGGED);
    const auto named = detection_of(head + R"(m=1155 msg="Application Control Prevention Alert: x" appName="Dropbox")");
    CHECK(named.application() == "Dropbox");
    CHECK(named.action() == pb::ACTION_BLOCKED);
}

TEST_CASE("a blocked country is an IP block of the end outside") {
    const auto out = entry_of(
        head + R"(m=1199 msg="Responder from country blocked" src=192.168.10.77:51000:X0 dst=198.51.100.40:443:X1)");
    CHECK(std::get<pb::Block>(out).kind() == "ip");
    CHECK(std::get<pb::Block>(out).key() == "198.51.100.40");
    const auto in = entry_of(
        head + R"(m=1198 msg="Initiator from country blocked" src=198.51.100.41:443:X1 dst=192.168.10.77:51000:X0)");
    CHECK(std::get<pb::Block>(in).key() == "198.51.100.41");
    CHECK(skipped_of(head + "m=1198") == "m=1198");
}

TEST_CASE("ends in every form that firewalls write") {
    struct Row {
        std::string text, ip;
        std::uint32_t port;
        std::string host;
    };
    const auto row = GENERATE(values<Row>({
        {"dst=198.51.100.40:443:X1:edge.example", "198.51.100.40", 443, ""},
        {"dst=198.51.100.40", "198.51.100.40", 0, ""},
        {"dst=198.51.100.40::X500", "198.51.100.40", 0, ""},
        {"dst=198.51.100.40:99999:X1", "198.51.100.40", 0, ""},
        {"dst=198.51.100.40:-1:X1", "198.51.100.40", 0, ""},
        {"dst=:5355 dstV6=2001:DB8::1:3", "2001:db8::1:3", 5355, ""},
        {"dstV6=2001:db8::9 dst=:28503:WAN:HOST", "2001:db8::9", 28503, ""},
        {"dst=2001:db8::9", "2001:db8::9", 0, ""},
        {"dst=[2001:db8::9]:443:X1", "2001:db8::9", 443, ""},
        {"dst=[2001:db8::9", "", 0, "[2001"},
        {"dst=::X1", "", 0, ""},
        {"dst=::", "", 0, ""},
        {"dst=", "", 0, ""},
        {"dst=example.com", "", 0, "example.com"},
        {"dst=example.com:443:X1", "", 443, "example.com"},
        {"dst=example.com:443:X1 dstname=www.example.com", "", 443, "www.example.com"},
        {"dst=999.1.1.1:80", "", 80, "999.1.1.1"},
    }));
    INFO(row.text);
    const auto d = detection_of(head + "m=82 src=198.51.100.9:1:X1 " + row.text);
    CHECK(d.destination_ip() == row.ip);
    CHECK(d.destination_port() == row.port);
    CHECK(d.destination_host() == row.host);
}

TEST_CASE("times with a zone, without one, and none") {
    CHECK(detection_of(R"(m=82 time="2026-04-08 01:39:40 UTC")").observed_at_us() == head_time_us);
    CHECK(detection_of(R"(m=82 time="2026-04-08 10:39:40")").observed_at_us() == head_time_us);
    CHECK(detection_of(R"(m=82 time="2026-04-08 03:39:40+02:00")").observed_at_us() == head_time_us);
    CHECK(detection_of(R"(m=82 time="soon")").observed_at_us() == 0);
    CHECK(detection_of("m=82").observed_at_us() == 0);
}

TEST_CASE("bytes that are no UTF-8 are replaced, and group and zero MACs are left out") {
    const auto d = detection_of(head +
                                "m=608 msg=\"IPS Detection Alert: bad \xFF\xE3\x81 name\" dstname=\xFE.example "
                                "srcMac=33:33:00:01:00:03 src=192.168.1.2:1:X0");
    CHECK(base::is_utf8(d.threat_name()));
    CHECK(base::is_utf8(d.destination_host()));
    CHECK(d.lan_mac().empty());
    CHECK_FALSE(d.SerializeAsString().empty());
}

TEST_CASE("what is no detection is skipped by its id, what is no such line is rejected") {
    CHECK(skipped_of(head + R"(m=537 msg="Connection Closed" src=192.168.1.2:1:X0)") == "m=537");
    CHECK(skipped_of(head + R"(m=36 msg="TCP connection dropped")") == "m=36");
    const auto why = [](std::string_view line) {
        return parse_sonicwall(line, {.assumed_utc_offset = {}, .lan = domain::private_ranges()}).error();
    };
    CHECK(why("-- MARK --") == "not a line of SonicWall's enhanced syslog: m= is missing");
    CHECK(why("m=many") == "not a line of SonicWall's enhanced syslog: m= is no number");
    CHECK(why("m=99999999999") == "not a line of SonicWall's enhanced syslog: m= is no number");
    CHECK(why(std::string("id=firewall sn=00401000A0B0 time=\"2026-04-08 10:39", 48)) ==
          "not a line of SonicWall's enhanced syslog: m= is missing");
}

TEST_CASE("the table holds the ids of every pilot category, each once, in order") {
    const auto function_of = [](std::uint32_t id) {
        return sonicwall_event(id) == nullptr ? domain::Function::unspecified : sonicwall_event(id)->function;
    };
    for (const std::uint32_t id :
         {22U,  25U,  27U,  81U,   82U,   83U,   177U,  178U,  179U,  267U,  606U,  608U,  609U,  789U,  790U, 860U,
          869U, 904U, 909U, 1180U, 1182U, 1213U, 1214U, 1366U, 1371U, 1373U, 1375U, 1376U, 1387U, 1450U, 1452U}) {
        INFO(id);
        CHECK(function_of(id) == domain::Function::ips);
    }
    for (const std::uint32_t id : {794U, 795U, 809U, 1459U, 1460U}) {
        CHECK(function_of(id) == domain::Function::av);
    }
    for (const std::uint32_t id : {793U, 1154U, 1155U}) {
        CHECK(function_of(id) == domain::Function::apg);
    }
    for (const std::uint32_t id : {14U, 16U, 97U, 1461U}) {
        REQUIRE(sonicwall_event(id) != nullptr);
        CHECK(sonicwall_event(id)->kind == SonicwallKind::site);
    }
    for (const std::uint32_t id :
         {0U, 15U, 36U, 98U, 537U, 859U, 870U, 903U, 910U, 1372U, 1462U, 1520U, 4'000'000'000U}) {
        INFO(id);
        CHECK(sonicwall_event(id) == nullptr);
    }
    std::uint32_t before = 0;
    for (std::uint32_t id = 0; id < 2000; ++id) {
        if (const auto* event = sonicwall_event(id)) {
            CHECK(event->first <= id);
            CHECK(id <= event->last);
            CHECK(event->first >= before);
            before = event->first;
        }
    }
}

}  // namespace
}  // namespace mimamori::agent::sources
