// Closes hours: what is news for a customer becomes one digest per severity, one more for lost records, and of each
// digest one outbox row per recipient.
//
//   at every look at the clock:
//       three stars of customers who want them at once: close now
//       if an hour has ended: for every customer and severity with open news, worst first,
//       then for every customer with losses not told:
//           one transaction: insert the digest, take its items or losses, render, one outbox row per recipient
//           a failure rolls that one back: its news stays open for the next hour, an alarm says so, the others go on
//           then remember the end of the hour
//
// Not the sender (sender.h), not the wording (packs/), not the rules of grouping (the correlator's).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>

#include "domain/mail_templates.h"
#include "domain/rule_pack.h"
#include "notifier/render.h"
#include "notifier/settings.h"
#include "platform/clock.h"
#include "platform/events.h"
#include "store/notifier_store.h"

namespace mimamori::notifier {

class Closer {
  public:
    Closer(store::Connection& connection, const Settings& settings, platform::Events& events);

    // Closes what is due at `now`; returns how many digests. Fails only when PostgreSQL does.
    base::Expected<int> close_due(base::Time now);

  private:
    base::Expected<int> close_all(base::Time start, base::Time end, base::Time now, bool at_once);
    base::Expected<bool> close_one(const store::OpenNews& news, base::Time start, base::Time end, base::Time now,
                                   bool at_once);
    base::Expected<void> fill_outbox(const store::OpenNews& news, base::DigestId digest, base::Time start,
                                     base::Time end, base::Time now);
    using News = std::variant<domain::DigestFacts, domain::LossFacts>;
    base::Expected<News> findings(base::DigestId digest, domain::Severity severity, const domain::MailFrame& frame,
                                  base::Time now);
    base::Expected<News> losses(base::CustomerId customer, base::DigestId digest, const domain::MailFrame& frame);
    base::Expected<MailText> text_of(const domain::MailTemplates& texts, News& news, const domain::DeskFacts& desk,
                                     domain::Language language);
    base::Expected<void> set_texts(domain::DigestFacts& facts, domain::Language language);
    base::Expected<const domain::RulePack*> pack(std::int64_t id);
    base::Expected<const domain::MailTemplates*> templates(base::Time at);

    store::Connection& connection_;
    store::NotifierStore store_;
    const Settings& settings_;
    platform::Events& events_;
    std::map<std::int64_t, std::unique_ptr<domain::RulePack>> packs_;  // immutable, so kept; bounded by the packs there are
    domain::MailTemplates templates_;
    bool clock_told_ = false;  // an alarm says once that the clock went backwards
    std::map<std::string, std::int64_t> pack_of_finding_;  // by アラートID, of the digest being made
};

}  // namespace mimamori::notifier
