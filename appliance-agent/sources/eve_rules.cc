#include "appliance-agent/sources/eve_rules.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace mimamori::agent::sources {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
    return out;
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

template <std::size_t N>
bool contains_one_of(std::string_view text, const std::array<std::string_view, N>& parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](auto part) { return text.find(part) != std::string_view::npos; });
}

// Runs of letters and digits.
std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> out;
    const auto is_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
    };
    std::size_t at = 0;
    while (at < text.size()) {
        const auto begin = at;
        while (at < text.size() && is_word(text[at])) {
            ++at;
        }
        if (at > begin) {
            out.push_back(text.substr(begin, at - begin));
        } else {
            ++at;
        }
    }
    return out;
}

struct RuleName {
    std::string_view class_word;  // "POLICY", empty if the name has no such form
    std::string_view text;        // what follows it
};

RuleName split(std::string_view signature) {
    static constexpr std::array<std::string_view, 3> vendors{"ET", "ETPRO", "GPL"};
    const auto first = signature.find(' ');
    if (first == std::string_view::npos || !is_one_of(signature.substr(0, first), vendors)) {
        return {.class_word = {}, .text = signature};
    }
    const auto second = std::min(signature.find(' ', first + 1), signature.size());
    return {.class_word = signature.substr(first + 1, second - first - 1),
            .text = signature.substr(std::min(second + 1, signature.size()))};
}

constexpr std::array<std::string_view, 10> remote_control_words{
    "cnc", "c2", "checkin", "beacon", "rat", "backdoor", "callback", "keepalive", "exfil", "exfiltration"};

bool is_about_remote_control(std::string_view lower_signature) {
    static constexpr std::array<std::string_view, 4> phrases{"c&c", "check-in", "check in", "command and control"};
    const auto found = words_of(lower_signature);
    return std::any_of(found.begin(), found.end(), [](auto word) { return is_one_of(word, remote_control_words); }) ||
           contains_one_of(lower_signature, phrases);
}

}  // namespace

bool is_file_rule(std::string_view signature, std::string_view category) {
    static constexpr std::array<std::string_view, 6> file_classes{"MALWARE", "TROJAN",     "VIRUS",
                                                                  "WORM",    "ADWARE_PUP", "MOBILE_MALWARE"};
    static constexpr std::array<std::string_view, 13> other_classes{
        "WEB_SERVER", "WEB_SPECIFIC_APPS", "EXPLOIT", "SCAN", "SQL",   "ATTACK_RESPONSE", "DOS",
        "DNS",        "PHISHING",          "CHAT",    "P2P",  "GAMES", "POLICY"};
    static constexpr std::string_view remote_control = "Malware Command and Control";
    const auto name = split(signature);
    const auto text = lower(signature);
    if (is_one_of(name.class_word, other_classes) || category.starts_with(remote_control) ||
        is_about_remote_control(text)) {
        return false;
    }
    return category == "A Network Trojan was detected" || category.starts_with("Malware") ||
           is_one_of(name.class_word, file_classes) || text.find("eicar") != std::string::npos;
}

bool is_reputation_rule(std::string_view signature, std::string_view category, std::string_view app_protocol) {
    static constexpr std::array<std::string_view, 6> protocols{"http", "http2", "tls", "quic", "dns", "doh2"};
    static constexpr std::array<std::string_view, 4> address_lists{"CINS", "COMPROMISED", "DROP", "TOR"};
    static constexpr std::array<std::string_view, 2> site_classes{"DNS", "PHISHING"};
    static constexpr std::array<std::string_view, 2> categories{"Domain Observed Used for C2 Detected",
                                                                "Possible Social Engineering Attempted"};
    static constexpr std::array<std::string_view, 15> phrases{
        "urlhaus",        "sslbl",         "threatfox", "malicious domain", "malicious host", "malicious url",
        "malicious ssl",  "blocklist",     "blacklist", "block list",       "reputation",     "observed dns query to",
        "dns query to a", "in dns lookup", "in tls sni"};
    const auto name = split(signature);
    if (!is_one_of(app_protocol, protocols) || is_one_of(name.class_word, address_lists)) {
        return false;
    }
    return is_one_of(name.class_word, site_classes) || is_one_of(category, categories) ||
           contains_one_of(lower(signature), phrases);
}

std::optional<std::string> application_of_rule(std::string_view signature) {
    static constexpr std::array<std::string_view, 3> application_classes{"CHAT", "P2P", "GAMES"};
    static constexpr std::array<std::string_view, 3> mixed_classes{"POLICY", "INFO", "APP"};
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 32> products{{
        {"anydesk", "AnyDesk"},
        {"bittorrent", "BitTorrent"},
        {"discord", "Discord"},
        {"dropbox", "Dropbox"},
        {"edonkey", "eDonkey"},
        {"emule", "eMule"},
        {"facebook", "Facebook"},
        {"gnutella", "Gnutella"},
        {"icq", "ICQ"},
        {"instagram", "Instagram"},
        {"irc", "IRC"},
        {"jabber", "Jabber"},
        {"limewire", "LimeWire"},
        {"logmein", "LogMeIn"},
        {"mediafire", "MediaFire"},
        {"msn", "MSN"},
        {"onedrive", "OneDrive"},
        {"perfectdark", "Perfect Dark"},
        {"skype", "Skype"},
        {"slack", "Slack"},
        {"steam", "Steam"},
        {"teamviewer", "TeamViewer"},
        {"telegram", "Telegram"},
        {"tiktok", "TikTok"},
        {"twitter", "Twitter"},
        {"utorrent", "uTorrent"},
        {"viber", "Viber"},
        {"wechat", "WeChat"},
        {"wetransfer", "WeTransfer"},
        {"whatsapp", "WhatsApp"},
        {"winny", "Winny"},
        {"youtube", "YouTube"},
    }};
    const auto name = split(signature);
    const bool surely = is_one_of(name.class_word, application_classes);
    if (!surely && !is_one_of(name.class_word, mixed_classes)) {
        return std::nullopt;
    }
    const auto text = lower(name.text);
    for (const auto word : words_of(text)) {
        const auto* found =
            std::find_if(products.begin(), products.end(), [&](const auto& p) { return p.first == word; });
        if (found != products.end()) {
            return std::string(found->second);
        }
    }
    return surely ? std::optional(std::string(name.text)) : std::nullopt;
}

}  // namespace mimamori::agent::sources
