// Days and times as a mail writes them: in Japanese time, and with the weekday where the reader has to remember what
// happened then.
#pragma once

#include <string>

#include "base/time.h"
#include "domain/text_values.h"

namespace mimamori::domain {

// The hour a mail speaks of: "4月8日10時台" for a whole hour, else "4月8日10時39分まで".
std::string window_text(base::Time start, base::Time end, Language language);

// A day and time with its weekday: "2026年4月8日（水）10:39:40", in English "Wed 8 April 2026, 10:39:40".
std::string time_text(base::Time at, Language language);

// The same without seconds, for a span: the end goes without a day where that is the beginning's.
struct SpanText {
    std::string from, until;
};
std::string minute_text(base::Time at, Language language);
SpanText span_text(base::Time from, base::Time until, Language language);

std::string month_name(int month);  // English; 1 is January

}  // namespace mimamori::domain
