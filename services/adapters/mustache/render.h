// Mustache templates (mustache(5)) through kainjow's library. {{name}} is escaped by the kind of text, {{{name}}} never.
#pragma once

#include <string>
#include <string_view>

#include "base/failure.h"
#include "domain/text_values.h"

namespace mimamori::adapters::mustache {

enum class Escape {
    none,  // plain text
    html,  // & < > " ' become character references
};

// The text of `source` with `values`. Refused if the template is malformed or names a value that is not there: a typing
// error must not become a hole in a mail.
base::Expected<std::string> render(std::string_view source, const domain::TextValues& values, Escape escape);

}  // namespace mimamori::adapters::mustache
