#include "appliance-agent/sources/encoded_words.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "appliance-agent/sources/charsets/convert.h"
#include "base/text.h"

namespace mimamori::agent::sources {
namespace {

constexpr std::size_t max_header_bytes = 8192;  // what follows is of no use to a reader

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

// The vendors' supersets, so that ① and ㈱ survive. Null if not served.
const Charset* charset_named(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, const Charset*>, 15> names{{
        {"shift_jis", &cp932},
        {"shift-jis", &cp932},
        {"sjis", &cp932},
        {"x-sjis", &cp932},
        {"cp932", &cp932},
        {"windows-31j", &cp932},
        {"euc-jp", &euc_jp},
        {"x-euc-jp", &euc_jp},
        {"us-ascii", &ascii},
        {"iso-8859-1", &cp1252},
        {"windows-1252", &cp1252},
        {"gb2312", &gb18030},
        {"gbk", &gb18030},
        {"gb18030", &gb18030},
        {"euc-kr", &cp949},
    }};
    const auto* found =
        std::find_if(names.begin(), names.end(), [&](const auto& known) { return known.first == name; });
    return found == names.end() ? nullptr : found->second;
}

// ISO-2022-JP as EUC-JP: its escape sequences say which set follows, EUC marks every byte.
std::string iso_2022_jp_to_euc(std::string_view bytes) {
    enum class Set { ascii, kanji, supplement, katakana } set = Set::ascii;
    static constexpr std::array<std::pair<std::string_view, Set>, 8> escapes{{
        {"\x1B(B", Set::ascii},
        {"\x1B(J", Set::ascii},
        {"\x1B(I", Set::katakana},
        {"\x1B$@", Set::kanji},
        {"\x1B$B", Set::kanji},
        {"\x1B$(@", Set::kanji},
        {"\x1B$(B", Set::kanji},
        {"\x1B$(D", Set::supplement},
    }};
    std::string out;
    while (!bytes.empty()) {
        const auto* escape =
            std::find_if(escapes.begin(), escapes.end(), [&](const auto& e) { return bytes.starts_with(e.first); });
        if (escape != escapes.end()) {
            set = escape->second;
            bytes.remove_prefix(escape->first.size());
            continue;
        }
        const auto c = static_cast<unsigned char>(bytes.front());
        const bool wide = set == Set::kanji || set == Set::supplement;
        const std::size_t width = wide && c > 0x20 && bytes.size() > 1 ? 2 : 1;
        if (set == Set::supplement && width == 2) {
            out.push_back('\x8F');
        } else if (set == Set::katakana && c > 0x20) {
            out.push_back('\x8E');
        }
        for (const char byte : bytes.substr(0, width)) {
            const bool mark = c > 0x20 && (width == 2 || set == Set::katakana);
            out.push_back(mark ? static_cast<char>(static_cast<unsigned char>(byte) | 0x80) : byte);
        }
        bytes.remove_prefix(width);
    }
    return out;
}

std::optional<std::string> decoded(std::string_view charset, const std::string& bytes) {
    if (charset == "utf-8" || charset == "utf8") {
        return base::to_valid_utf8(bytes, 3 * bytes.size());
    }
    if (charset.starts_with("iso-2022-jp")) {
        return to_utf8(euc_jp, iso_2022_jp_to_euc(bytes));
    }
    const auto* known = charset_named(charset);
    return known == nullptr ? std::nullopt : std::optional{to_utf8(*known, bytes)};
}

std::string from_base64(std::string_view text) {
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                          : c >= 'a' && c <= 'z' ? c - 'a' + 26
                          : c >= '0' && c <= '9' ? c - '0' + 52
                          : c == '+'             ? 62
                          : c == '/'             ? 63
                                                 : -1;
        if (value < 0) {
            continue;  // padding, and what mailers leave between
        }
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.push_back(static_cast<char>(bits >> count & 0xFF));
        }
    }
    return out;
}

std::string from_q(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = text[i] == '=' && i + 2 < text.size() ? base::from_hex(text.substr(i + 1, 2))
                                                                : std::optional<std::string>{};
        if (byte) {
            out.append(*byte);
            i += 2;
        } else {
            out.push_back(text[i] == '_' ? ' ' : text[i]);
        }
    }
    return out;
}

struct EncodedWord {
    std::string charset;  // lower case, without a language
    std::string bytes;
    std::size_t size = 0;  // as written
};

// "=?charset?B?text?=" at the front of `text`.
std::optional<EncodedWord> encoded_word(std::string_view text) {
    if (!text.starts_with("=?")) {
        return std::nullopt;
    }
    const auto charset_end = text.find('?', 2);
    if (charset_end == std::string_view::npos || charset_end > 48 || charset_end + 3 > text.size() ||
        text[charset_end + 2] != '?') {
        return std::nullopt;
    }
    const char encoding = static_cast<char>(text[charset_end + 1] | 0x20);
    const auto end = text.find("?=", charset_end + 3);
    if (end == std::string_view::npos || (encoding != 'b' && encoding != 'q')) {
        return std::nullopt;
    }
    const auto charset = text.substr(2, charset_end - 2);
    const auto content = text.substr(charset_end + 3, end - charset_end - 3);
    return EncodedWord{.charset = lower(charset.substr(0, charset.find('*'))),
                       .bytes = encoding == 'b' ? from_base64(content) : from_q(content),
                       .size = end + 2};
}

std::string plain(std::string_view text) {
    if (text.find("\x1B$") != std::string_view::npos) {
        return to_utf8(euc_jp, iso_2022_jp_to_euc(text));
    }
    return base::to_valid_utf8(text, 3 * text.size());
}

}  // namespace

std::string decode_encoded_words(std::string_view header) {
    header = header.substr(0, max_header_bytes);
    std::string out;
    std::size_t plain_from = 0;
    std::size_t at = 0;
    while ((at = header.find("=?", at)) != std::string_view::npos) {
        auto run = encoded_word(header.substr(at));
        if (!run) {
            at += 2;
            continue;
        }
        // Adjacent words of the same charset are one text; the blanks between encoded words mean nothing.
        std::size_t end = at + run->size;
        for (;;) {
            const auto next_at = header.find_first_not_of(" \t\r\n", end);
            const auto next = next_at == std::string_view::npos ? std::nullopt : encoded_word(header.substr(next_at));
            if (!next || next->charset != run->charset) {
                break;
            }
            run->bytes += next->bytes;
            end = next_at + next->size;
        }
        const auto before = header.substr(plain_from, at - plain_from);
        const bool only_blanks = before.find_first_not_of(" \t\r\n") == std::string_view::npos;
        if (plain_from == 0 || !only_blanks) {
            out += plain(before);
        }
        auto word = decoded(run->charset, run->bytes);
        out += word ? *std::move(word) : base::to_valid_utf8(header.substr(at, end - at), 3 * (end - at));
        at = plain_from = end;
    }
    return out + plain(header.substr(plain_from));
}

}  // namespace mimamori::agent::sources
