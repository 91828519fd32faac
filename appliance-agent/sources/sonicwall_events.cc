#include "appliance-agent/sources/sonicwall_events.h"

#include <algorithm>
#include <array>

namespace mimamori::agent::sources {
namespace {

constexpr auto threat = SonicwallKind::threat;
constexpr auto site = SonicwallKind::site;
constexpr auto address = SonicwallKind::address;
constexpr auto ips = domain::Function::ips;
constexpr auto av = domain::Function::av;
constexpr auto wg = domain::Function::wg;
constexpr auto apg = domain::Function::apg;
constexpr auto by_category = domain::Function::unspecified;
constexpr auto blocked = domain::Action::blocked;
constexpr auto logged = domain::Action::logged;

// In the order of the ids.
constexpr std::array<SonicwallEvent, 39> events{{
    {14, 14, site, by_category, blocked, "Web site access denied"},
    {16, 16, site, by_category, logged, "Web site access allowed"},
    {22, 22, threat, ips, blocked, "Ping of death dropped"},
    {25, 25, threat, ips, logged, "Possible SYN flood attack"},
    {27, 27, threat, ips, blocked, "Land attack dropped"},
    {81, 81, threat, ips, blocked, "Smurf amplification attack dropped"},
    {82, 82, threat, ips, logged, "Possible port scan"},
    {83, 83, threat, ips, logged, "Probable port scan"},
    {97, 97, site, by_category, logged, "Web site visited"},
    {177, 177, threat, ips, logged, "Probable TCP FIN scan"},
    {178, 178, threat, ips, logged, "Probable TCP Xmas scan"},
    {179, 179, threat, ips, logged, "Probable TCP null scan"},
    {267, 267, threat, ips, blocked, "TCP Xmas tree attack dropped"},
    {606, 606, threat, ips, blocked, "Spank attack dropped"},
    {608, 608, threat, ips, logged, "IPS detection"},
    {609, 609, threat, ips, blocked, "IPS prevention"},
    {789, 789, threat, ips, logged, "IDP detection"},
    {790, 790, threat, ips, blocked, "IDP prevention"},
    {793, 793, threat, apg, logged, "Application rule"},
    {794, 794, threat, av, blocked, "Anti-spyware prevention"},
    {795, 795, threat, av, logged, "Anti-spyware detection"},
    {809, 809, threat, av, blocked, "Gateway anti-virus"},
    {860, 869, threat, ips, logged, "SYN flood"},
    {904, 909, threat, ips, logged, "RST or FIN flood"},
    {1154, 1154, threat, apg, logged, "Application detected"},
    {1155, 1155, threat, apg, blocked, "Application prevented"},
    {1180, 1182, threat, ips, logged, "Denial of service"},
    {1198, 1199, address, by_category, blocked, "Country blocked"},
    {1200, 1201, threat, wg, blocked, "Suspected botnet blocked"},
    {1213, 1214, threat, ips, logged, "UDP or ICMP flood"},
    {1366, 1371, threat, ips, logged, "Flood"},
    {1373, 1375, threat, ips, blocked, "Fragmentation attack"},
    {1376, 1376, threat, ips, logged, "Denial of service"},
    {1387, 1387, threat, ips, logged, "Denial of service"},
    {1450, 1452, threat, ips, logged, "Flood"},
    {1459, 1460, threat, av, logged, "Sandbox verdict"},
    {1461, 1461, site, by_category, blocked, "Web site blocked"},
    {1476, 1477, threat, wg, blocked, "Suspected botnet blocked"},
    {1518, 1519, threat, wg, blocked, "Suspected botnet blocked"},
}};

}  // namespace

const SonicwallEvent* sonicwall_event(std::uint32_t id) {
    const auto* found = std::find_if(events.begin(), events.end(), [&](const auto& e) { return id <= e.last; });
    return found != events.end() && id >= found->first ? found : nullptr;
}

}  // namespace mimamori::agent::sources
