// How customers are spoken to, as a check: words that a shop owner would not know or that fraud uses, sentences that
// are too long, endings that are not polite. The words are data (packs/wording.yaml). Not whether a text is there and
// fits its place, which is rule_pack_check.h's.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "domain/mail_templates.h"
#include "domain/mail_text.h"
#include "domain/rule_pack_check.h"

namespace mimamori::domain {

struct RefusedWord {
    std::string word;
    std::string instead;  // what to write
};

struct LanguageWording {
    std::size_t longest_sentence = 0;          // Japanese: characters; English: words
    std::vector<RefusedWord> refused;          // English: in either case
    std::vector<std::string> explained;        // allowed only where its meaning stands beside it in parentheses
    std::vector<std::string> introduced;       // in a mail: as `explained`, where it first stands
    std::set<std::string, std::less<>> plain;  // Japanese: katakana and Latin words that need no explanation
    std::vector<std::string> endings;          // Japanese: with which a sentence may end
};

struct Wording {
    LanguageWording ja, en;

    const LanguageWording& in(Language language) const { return language == Language::ja ? ja : en; }
};

// Defects of the texts of all classes, each with the line of the pack's file. Sorted by line.
std::vector<PackDefect> check_wording(const RulePack& pack, const Wording& wording);

// Refused words in mail templates, each with the line of the file. Sentences are whole only once a template is filled.
std::vector<PackDefect> check_wording(const MailTemplates& templates, const Wording& wording);

// Defects of a whole mail as its reader sees it (plain text), each with the line of the mail. What the mail quotes of
// the detection or of the customer's own names is read too.
std::vector<PackDefect> check_mail_wording(std::string_view plain, Language language, const Wording& wording);

}  // namespace mimamori::domain
