// What two mails without a detection say: an appliance is not heard of, and a month in which nothing happened. Every
// value their templates may print; the wording is data (packs/mail-texts-*.yaml). When to send them is not decided
// here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "domain/mail_text.h"

namespace mimamori::domain {

struct SilentAppliance {
    std::string site_name, utm_id;
    base::Time last_heard_at;
};

struct SilenceFacts {
    MailFrame frame;                          // window_end is the time of looking
    std::vector<SilentAppliance> appliances;  // of one customer, not empty
};

struct TimeSpan {
    base::Time from, until;
};

struct ReportedAppliance {
    std::string site_name, utm_id;
    std::vector<TimeSpan> silent;  // when it was not heard of; empty: it worked all month
    bool restart_awaited = false;  // new firmware waits for the customer to switch it off and on
};

// Only for a month without a starred finding and without lost records.
struct QuietMonthFacts {
    MailFrame frame;                            // the window is the month
    std::vector<ReportedAppliance> appliances;  // not empty
    std::int64_t attacks_stopped = 0;           // from outside
};

inline constexpr std::size_t most_spans_told = 5;  // of one appliance

TextValues silence_values(const SilenceFacts& facts, Language language);
TextValues quiet_month_values(const QuietMonthFacts& facts, Language language);

}  // namespace mimamori::domain
