// The wording of mails as data: one set of templates with an effective date. What the values in them are is
// mail_text.h's.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "base/time.h"

namespace mimamori::domain {

// A whole set holds all of these, in Japanese and in English: the mails about findings, about lost records, about an
// appliance that is not heard of, and the month's report where nothing happened.
inline constexpr std::array<std::string_view, 24> mail_template_names{
    "alert_subject_ja",   "alert_plain_ja",   "alert_html_ja",      "alert_subject_en", "alert_plain_en",
    "alert_html_en",      "loss_subject_ja",  "loss_plain_ja",      "loss_html_ja",     "loss_subject_en",
    "loss_plain_en",      "loss_html_en",     "silence_subject_ja", "silence_plain_ja", "silence_html_ja",
    "silence_subject_en", "silence_plain_en", "silence_html_en",    "quiet_subject_ja", "quiet_plain_ja",
    "quiet_html_ja",      "quiet_subject_en", "quiet_plain_en",     "quiet_html_en"};

struct MailTemplates {
    std::string version;
    base::Time effective_from{};
    std::map<std::string, std::string, std::less<>> texts;  // by template name
    std::map<std::string, int, std::less<>> lines;          // of the file, where each begins
};

// The first name that the set lacks; empty if it is whole. Stored sets may be older than a kind of mail.
inline std::string_view missing_template(const MailTemplates& templates) {
    for (const auto name : mail_template_names) {
        if (!templates.texts.contains(name)) {
            return name;
        }
    }
    return {};
}

}  // namespace mimamori::domain
