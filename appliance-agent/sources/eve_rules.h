// What kind of rule fired, read off its name and class, for choosing the service's function. Rule names follow the
// common form "VENDOR CLASS text" ("ET POLICY Dropbox.com Offsite File Backup in Use"); `category` is the text of
// Suricata's classification.config. Nothing here decides direction or severity.
//
//   file rule        category "A Network Trojan was detected" or one that begins with "Malware", class MALWARE, TROJAN,
//                    VIRUS, WORM, ADWARE_PUP or MOBILE_MALWARE, or the word EICAR;
//                    not if it speaks of remote control (CnC, C2, checkin, beacon, RAT, backdoor, ...): that is about
//                    the connection, and the file's sender would hide who is infected;
//                    not of a class about attacks on servers (WEB_SERVER, EXPLOIT, SCAN, ...).
//   application rule class CHAT, P2P or GAMES; class POLICY, INFO or APP together with a known product's name.
//   reputation rule  of HTTP, TLS, QUIC or DNS: class DNS or PHISHING, category "Domain Observed Used for C2 Detected"
//                    or "Possible Social Engineering Attempted", a list's name (URLhaus, SSLBL, ThreatFox), or words
//                    such as "Malicious Domain", "Blocklist", "Domain in TLS SNI". Lists of attackers' addresses (CINS,
//                    COMPROMISED, DROP, TOR) are about who knocks, not about what was visited: intrusion.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mimamori::agent::sources {

bool is_file_rule(std::string_view signature, std::string_view category);
bool is_reputation_rule(std::string_view signature, std::string_view category, std::string_view app_protocol);

// The application that an application rule is about: the product's name, else the rule's text. Empty: not such a rule.
std::optional<std::string> application_of_rule(std::string_view signature);

}  // namespace mimamori::agent::sources
