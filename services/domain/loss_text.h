// What a mail about lost records says: every value its templates may print. The customer's UTM goes on protecting
// whatever is lost; what is missing is the record, and with it the mail that the record might have become. The wording
// is data (packs/).
#pragma once

#include <optional>
#include <vector>

#include "domain/mail_text.h"

namespace mimamori::domain {

struct LossItem {  // of one appliance, and of one sort of record
    std::string utm_id, site_name;
    bool blocks = false;  // counts of blocked sites; else detections
    std::int64_t entries = 0;
    std::int64_t urgent = 0;  // of the entries: of the kind that is sent ahead of all others
    bool at_least = false;    // there may be more; with no entry the number is unknown
    std::optional<base::Time> oldest, newest;
    bool times_incomplete = false;  // of some it is not known when they were observed
};

struct LossFacts {
    MailFrame frame;
    std::vector<LossItem> items;  // not empty
};

// Needs action (an unhurried one) only if urgent detections may be among what was lost.
TextValues loss_values(const LossFacts& facts, Language language);

}  // namespace mimamori::domain
