#include "domain/bounce.h"

#include <algorithm>

namespace mimamori::domain {
namespace {

std::string lower(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
    return out;
}

}  // namespace

std::string tagged_sender(std::string_view bounce_address, std::string_view token) {
    const auto at = bounce_address.find('@');
    std::string out{bounce_address.substr(0, at)};
    out += '+';
    out += token;
    out += bounce_address.substr(at);
    return out;
}

std::optional<std::string> bounce_token_in(std::string_view header_value, std::string_view bounce_address) {
    const auto value = lower(header_value);
    const auto ours = lower(bounce_address);
    const auto name = ours.substr(0, ours.find('@')) + '+';
    const auto domain = ours.substr(ours.find('@'));
    for (auto at = value.find(name); at != std::string::npos; at = value.find(name, at + 1)) {
        const auto token = value.substr(at + name.size(), bounce_token_digits);
        const bool begins = at == 0 || value[at - 1] == '<' || value[at - 1] == ' ' || value[at - 1] == ',';
        const auto end = at + name.size() + token.size();
        const bool ends = value.compare(end, domain.size(), domain) == 0 &&
                          (end + domain.size() == value.size() ||
                           std::string_view{"> ,;"}.find(value[end + domain.size()]) != std::string_view::npos);
        if (begins && ends && token.size() == bounce_token_digits &&
            token.find_first_not_of("0123456789abcdef") == std::string::npos) {
            return token;
        }
    }
    return std::nullopt;
}

}  // namespace mimamori::domain
