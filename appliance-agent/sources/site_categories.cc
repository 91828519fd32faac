#include "appliance-agent/sources/site_categories.h"

#include <algorithm>
#include <array>
#include <string>

namespace mimamori::agent::sources {
namespace {

// Parts of names, in lower case. The vendor calls the site itself harmful; what a user does there of his own will
// (hacking tools, proxies) and what is merely new (dynamic DNS, new domains) does not count.
constexpr std::array<std::string_view, 10> dangerous{
    "malware",  "malicious",           "phishing",  "spyware",  "botnet",
    "bot nets", "command and control", "keylogger", "spam url", "compromised"};

constexpr std::array<std::string_view, 49> off_business{
    "adult",         "alcohol",     "auction",      "brokerage",    "chat",           "dating",          "drug",
    "entertainment", "explicit",    "extremis",     "file sharing", "freeware",       "gambling",        "games",
    "hacking",       "hate",        "humor",        "illegal",      "instant messag", "job search",      "lifestyle",
    "lingerie",      "marijuana",   "militancy",    "multimedia",   "newsgroup",      "news groups",     "nudi",
    "occult",        "pay to surf", "peer-to-peer", "personals",    "pornography",    "proxy avoidance", "questionable",
    "racism",        "radicali",    "restaurant",   "shopping",     "social network", "social media",    "sport",
    "streaming",     "swimsuit",    "tobacco",      "travel",       "vehicles",       "violence",        "weapon"};

template <std::size_t N>
bool holds_one_of(std::string_view text, const std::array<std::string_view, N>& parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](auto part) { return text.find(part) != std::string_view::npos; });
}

}  // namespace

SiteKind site_kind(std::string_view category) {
    std::string name(category.substr(0, 128));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return holds_one_of(name, dangerous)      ? SiteKind::dangerous
           : holds_one_of(name, off_business) ? SiteKind::off_business
                                              : SiteKind::ordinary;
}

}  // namespace mimamori::agent::sources
