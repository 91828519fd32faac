#include "domain/wording.h"

#include <algorithm>

#include "base/text.h"
#include "domain/iso_2022_jp.h"

namespace mimamori::domain {
namespace {

using Found = std::vector<std::string>;

std::string quoted(std::string_view text) {
    return "\"" + std::string{text} + "\"";
}

// The characters of valid UTF-8.
std::vector<std::string_view> characters(std::string_view text) {
    std::vector<std::string_view> out;
    for (std::size_t at = 0; at < text.size();) {
        auto end = at + 1;
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
            ++end;
        }
        out.push_back(text.substr(at, end - at));
        at = end;
    }
    return out;
}

std::string lowered(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}
bool is_katakana(std::string_view c) {
    return (c >= "ァ" && c <= "ヺ" && c.size() == 3) || c == "ー";
}

// Where `word` stands in `text` from `from` on: in English as a whole word in either case, in Japanese anywhere.
std::size_t find_word(std::string_view text, std::string_view word, Language language, std::size_t from = 0) {
    if (language == Language::ja) {
        return text.find(word, from);
    }
    const auto low = lowered(text);
    const auto wanted = lowered(word);
    for (auto at = low.find(wanted, from); at != std::string::npos; at = low.find(wanted, at + 1)) {
        const auto end = at + wanted.size();
        if ((at == 0 || !is_letter(low[at - 1]) || !is_letter(wanted.front())) &&
            (end == low.size() || !is_letter(low[end]) || !is_letter(wanted.back()))) {
            return at;
        }
    }
    return std::string::npos;
}

// Parentheses with the meaning follow the word, or the word stands in them as the name of what was said.
bool is_explained(std::string_view text, std::size_t at, std::size_t size, Language language) {
    const std::string_view open = language == Language::ja ? "（" : "(";
    const std::string_view close = language == Language::ja ? "）" : ")";
    auto rest = text.substr(at + size);
    rest.remove_prefix(rest.starts_with("」") ? std::string_view{"」"}.size() : rest.starts_with(' ') ? 1 : 0);
    const auto before = text.substr(0, at);
    const auto opened = before.rfind(open);
    const auto closed = before.rfind(close);
    return rest.starts_with(open) ||
           (opened != std::string_view::npos && (closed == std::string_view::npos || closed < opened));
}

std::vector<std::string_view> sentences(std::string_view text, Language language) {
    const std::string_view stop = language == Language::ja ? "。" : ". ";
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const auto at = text.find(stop);
        const auto size = at == std::string_view::npos ? text.size() : at + stop.size();
        out.push_back(base::trim(text.substr(0, size)));
        text.remove_prefix(size);
    }
    return out;
}

std::size_t length_of(std::string_view sentence, Language language) {
    if (language == Language::ja) {
        return characters(sentence).size();
    }
    return static_cast<std::size_t>(std::count(sentence.begin(), sentence.end(), ' ')) + 1;
}

void find_refused(const LanguageWording& words, Language language, std::string_view text, Found& found) {
    for (const auto& [word, instead] : words.refused) {
        if (find_word(text, word, language) != std::string::npos) {
            found.push_back("holds " + quoted(word) + ": " + instead);
        }
    }
}

void find_long(const LanguageWording& words, Language language, std::string_view text, Found& found) {
    for (const auto sentence : sentences(text, language)) {
        if (const auto length = length_of(sentence, language); length > words.longest_sentence) {
            found.push_back("has a sentence of " + std::to_string(length) +
                            (language == Language::ja ? " characters" : " words") + ", at most " +
                            std::to_string(words.longest_sentence) + " can be read at a glance: make two of it");
        }
    }
}

void find_unexplained(const LanguageWording& words, Language language, std::string_view text, Found& found) {
    for (const auto& word : words.explained) {
        const auto at = find_word(text, word, language);
        if (at != std::string::npos && !is_explained(text, at, word.size(), language)) {
            found.push_back("holds " + quoted(word) +
                            " without its meaning in parentheses: explain it or say it plainly");
        }
    }
}

// Words in katakana or Latin letters that nobody has put on a list: the usual way for jargon to slip in.
void find_unlisted(const LanguageWording& words, std::string_view text, Found& found) {
    const auto all = characters(text);
    const auto is_latin = [](std::string_view c) { return c.size() == 1 && is_letter(c.front()); };
    for (std::size_t i = 0; i < all.size();) {
        const bool katakana = is_katakana(all[i]);
        if (!katakana && !is_latin(all[i])) {
            ++i;
            continue;
        }
        std::string word;
        for (; i < all.size() && (katakana ? is_katakana(all[i]) : is_latin(all[i])); ++i) {
            word += all[i];
        }
        const bool number = std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
        const bool listed = words.plain.contains(word) ||
                            std::find(words.explained.begin(), words.explained.end(), word) != words.explained.end();
        if (!number && !listed) {
            found.push_back(
                "holds " + quoted(word) +
                ", which is not on the list of plain words: say it in Japanese, or list it in wording.yaml");
        }
    }
}

void find_impolite(const LanguageWording& words, std::string_view text, Found& found) {
    for (auto sentence : sentences(text, Language::ja)) {
        const std::string_view stop = "。";
        if (!sentence.ends_with(stop)) {
            found.push_back("does not end with 。: write whole sentences");
            continue;
        }
        sentence.remove_suffix(stop.size());
        if (const auto open = sentence.rfind("（"); open != std::string_view::npos && sentence.ends_with("）")) {
            sentence = sentence.substr(0, open);
        }
        if (std::none_of(words.endings.begin(), words.endings.end(),
                         [&](const auto& ending) { return sentence.ends_with(ending); })) {
            found.push_back("ends with neither です nor ます: write it politely");
        }
    }
}

enum class Place { title, sentences };

Found text_defects(const LanguageWording& words, Language language, std::string_view text, Place place) {
    Found found;
    find_refused(words, language, text, found);
    find_long(words, language, text, found);
    find_unexplained(words, language, text, found);
    if (language == Language::ja) {
        find_unlisted(words, text, found);
        if (place == Place::sentences) {
            find_impolite(words, text, found);
        }
    }
    return found;
}

void check_text(const SignatureClass& of, const ClassText& text, const LanguageWording& words, Language language,
                std::vector<PackDefect>& defects) {
    std::size_t at = 0;
    const auto check = [&](const std::string& field, const std::string& value, Place place = Place::sentences) {
        const int line = at < text.lines.size() ? text.lines[at] : text.line;
        ++at;
        for (const auto& what : text_defects(words, language, value, place)) {
            defects.push_back({line, "class " + quoted(of.id) + ", " + field + " in " +
                                         (language == Language::ja ? "ja" : "en") + ": " + what});
        }
    };
    check("title", text.title, Place::title);
    check("summary", text.summary);
    check("explanation", text.explanation);
    check("risk", text.risk);
    if (!text.risk_let_through.empty()) {
        check("risk_let_through", text.risk_let_through);
    }
    for (std::size_t i = 0; i < text.steps.size(); ++i) {
        check("steps " + std::to_string(i + 1), text.steps[i]);
    }
    for (std::size_t i = 0; i < text.further_steps.size(); ++i) {
        check("further_steps " + std::to_string(i + 1), text.further_steps[i]);
    }
}

// Each line of `text` with its number, from `first` on.
template <class Each>
void for_lines(std::string_view text, int first, Each each) {
    for (int number = first; !text.empty(); ++number) {
        const auto end = text.find('\n');
        each(text.substr(0, end), number);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

// A class's texts are often another's too (YAML anchors): each defect of a line is told once.
void sort_and_unite(std::vector<PackDefect>& defects) {
    const auto reason = [](const PackDefect& defect) { return defect.what.substr(defect.what.find(": ")); };
    std::stable_sort(defects.begin(), defects.end(), [&](const auto& a, const auto& b) {
        return a.line != b.line ? a.line < b.line : reason(a) < reason(b);
    });
    const auto same = [&](const auto& a, const auto& b) {
        return a.line != 0 && a.line == b.line && reason(a) == reason(b);
    };
    defects.erase(std::unique(defects.begin(), defects.end(), same), defects.end());
}

}  // namespace

std::vector<PackDefect> check_wording(const RulePack& pack, const Wording& wording) {
    std::vector<PackDefect> defects;
    for (const auto& c : pack.classes) {
        check_text(c, c.ja, wording.ja, Language::ja, defects);
        check_text(c, c.en, wording.en, Language::en, defects);
    }
    sort_and_unite(defects);
    return defects;
}

std::vector<PackDefect> check_wording(const MailTemplates& templates, const Wording& wording) {
    std::vector<PackDefect> defects;
    for (const auto& [name, text] : templates.texts) {
        const auto language = name.ends_with("_ja") ? Language::ja : Language::en;
        const auto at = templates.lines.find(name);
        for_lines(text, at == templates.lines.end() ? 0 : at->second, [&](std::string_view line, int number) {
            Found found;
            find_refused(wording.in(language), language, line, found);
            for (const auto& what : found) {
                defects.push_back({at == templates.lines.end() ? 0 : number, "template " + name + ": " + what});
            }
        });
    }
    sort_and_unite(defects);
    return defects;
}

std::vector<PackDefect> check_mail_wording(std::string_view plain, Language language, const Wording& wording) {
    const auto& words = wording.in(language);
    std::vector<PackDefect> defects;
    for_lines(plain, 1, [&](std::string_view line, int number) {
        Found found;
        find_refused(words, language, line, found);
        // A label before a colon is no part of the sentence; a record has no stop and is no sentence.
        const std::string_view colon = language == Language::ja ? "：" : ": ";
        const auto label = line.find(colon);
        const auto said = label == std::string_view::npos ? line : line.substr(label + colon.size());
        if (said.find(language == Language::ja ? "。" : ".") != std::string_view::npos) {
            find_long(words, language, said, found);
        }
        if (language == Language::ja) {
            if (const auto bad = first_outside_iso_2022_jp(line)) {
                found.push_back("holds " + quoted(*bad) + ", which is not in ISO-2022-JP");
            }
        }
        for (const auto& what : found) {
            defects.push_back({number, what});
        }
    });
    for (const auto& word : words.introduced) {
        const auto at = find_word(plain, word, language);
        if (at != std::string::npos && !is_explained(plain, at, word.size(), language)) {
            const auto before = plain.substr(0, at);
            defects.push_back({static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
                               "holds " + quoted(word) + " for the first time without its meaning in parentheses"});
        }
    }
    return defects;
}

}  // namespace mimamori::domain
