// Mail templates from YAML text (packs/mail-texts-*.yaml). Unknown keys and characters outside ISO-2022-JP are refused
// with the line they stand on. What several templates share stands once, under `parts`, and is put in where a template
// says {{> name}}; a part may not hold another. What the wording may be is domain/wording.h's.
#pragma once

#include <string_view>

#include "base/failure.h"
#include "domain/mail_templates.h"

namespace mimamori::adapters::mail_texts_yaml {

inline constexpr std::size_t largest_file = 1024 * 1024;  // bytes

base::Expected<domain::MailTemplates> load(std::string_view yaml);

}  // namespace mimamori::adapters::mail_texts_yaml
