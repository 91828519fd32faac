// The wording of mails as data: one set of templates with an effective date. What the values in them are is mail_text.h's.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "base/time.h"

namespace mimamori::domain {

// Every set holds all of these, in Japanese and in English.
inline constexpr std::array<std::string_view, 6> mail_template_names{"alert_subject_ja", "alert_plain_ja", "alert_html_ja",
                                                                     "alert_subject_en", "alert_plain_en", "alert_html_en"};

struct MailTemplates {
    std::string version;
    base::Time effective_from{};
    std::map<std::string, std::string, std::less<>> texts;  // by template name
};

}  // namespace mimamori::domain
