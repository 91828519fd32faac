#include "appliance-agent/sources/key_value.h"

#include <algorithm>

namespace mimamori::agent::sources {
namespace {

constexpr auto npos = std::string_view::npos;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_key_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '-' || c == '.';
}

bool is_escaped_byte(char c) {
    return c == '"' || c == '\'' || c == '\\';
}

// Just behind the '=' of the key that begins at `at`; npos if none begins there.
std::size_t behind_key(std::string_view line, std::size_t at) {
    auto end = at;
    while (end < line.size() && is_key_byte(line[end])) {
        ++end;
    }
    return end > at && end < line.size() && line[end] == '=' ? end + 1 : npos;
}

// Behind "<134>", 0 without it.
std::size_t behind_priority(std::string_view line) {
    std::size_t at = 1;
    while (at < line.size() && at < 4 && is_digit(line[at])) {
        ++at;
    }
    return at > 1 && at < line.size() && line[0] == '<' && line[at] == '>' ? at + 1 : 0;
}

std::string without_escapes(std::string_view value) {
    std::string out;
    out.reserve(value.size());
    for (std::size_t i = 0; i < value.size(); ++i) {
        const bool escape = value[i] == '\\' && i + 1 < value.size() && is_escaped_byte(value[i + 1]);
        i += escape ? 1 : 0;
        out.push_back(value[i]);
    }
    return out;
}

bool is_same_key(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

KeyValueLine::KeyValueLine(std::string_view line) : line_(line) {
    auto at = behind_priority(line);
    while (at < line.size() && pairs_.size() < max_pairs) {
        if (is_blank(line[at]) || (commas_ && line[at] == ',')) {
            ++at;
        } else if (behind_key(line, at) != npos) {
            const auto key = at;
            at = behind_key(line, at);
            pairs_.push_back(take_pair(key, at));
        } else {
            while (at < line.size() && !is_blank(line[at]) && !(commas_ && line[at] == ',')) {
                ++at;
            }
        }
    }
}

bool KeyValueLine::may_end(std::size_t at) const {
    return at >= line_.size() || is_blank(line_[at]) ||
           ((commas_ || pairs_.empty()) && line_[at] == ',' && behind_key(line_, at + 1) != npos);
}

// Of the quote that closes the value beginning at `at`; npos if none does.
std::size_t KeyValueLine::closing_quote(std::size_t at, char quote, bool& escaped) const {
    for (auto i = at; i < line_.size(); ++i) {
        if (line_[i] == '\\' && i + 1 < line_.size()) {
            ++i;
            escaped = escaped || is_escaped_byte(line_[i]);
        } else if (line_[i] == quote && (may_end(i + 1) || line_[i + 1] == ']')) {
            return i;
        }
    }
    return npos;
}

// `at` is where the value begins, and then where the pair has ended.
KeyValueLine::Pair KeyValueLine::take_pair(std::size_t key, std::size_t& at) {
    Pair pair{.key = line_.substr(key, at - 1 - key), .value = {}, .escaped = false};
    const char quote = at < line_.size() ? line_[at] : '\0';
    if (quote == '"' || (quote == '\'' && !lone_single_quote_)) {
        const auto end = closing_quote(at + 1, quote, pair.escaped);
        if (end != npos || quote == '"') {
            const auto begin = at + 1;
            at = end == npos ? line_.size() : end + 1;
            pair.value = line_.substr(begin, std::min(end, line_.size()) - begin);
            commas_ = commas_ || (pairs_.empty() && at < line_.size() && line_[at] == ',');
            return pair;
        }
        lone_single_quote_ = true;
        pair.escaped = false;
    }
    const auto begin = at;
    while (!may_end(at)) {
        ++at;
    }
    pair.value = line_.substr(begin, at - begin);
    commas_ = commas_ || (pairs_.empty() && at < line_.size() && line_[at] == ',');
    return pair;
}

std::string KeyValueLine::text(std::initializer_list<std::string_view> keys) const {
    for (const auto key : keys) {
        for (const auto& pair : pairs_) {
            if (!pair.value.empty() && is_same_key(pair.key, key)) {
                return pair.escaped ? without_escapes(pair.value) : std::string(pair.value);
            }
        }
    }
    return {};
}

}  // namespace mimamori::agent::sources
