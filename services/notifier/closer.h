// Closes hours: what is news for a customer becomes one digest per severity and one outbox row per recipient.
//
//   at every look at the clock:
//       three stars of customers who want them at once: close now
//       if an hour has ended: for every customer and severity with open news, worst first:
//           one transaction: insert the digest, take its items, render, one outbox row per recipient
//           a failure rolls that one back: its news stays open for the next hour, an alarm says so, the others go on
//           then remember the end of the hour
//
// Not the sender (sender.h), not the wording (packs/), not the rules of grouping (the correlator's).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "domain/mail_templates.h"
#include "domain/rule_pack.h"
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
    base::Expected<bool> close_one(const store::OpenNews& news, base::Time start, base::Time end, base::Time now, bool at_once);
    base::Expected<void> fill_outbox(const store::OpenNews& news, base::DigestId digest, base::Time start, base::Time end, base::Time now);
    base::Expected<domain::DigestFacts> facts_of(const store::OpenNews& news, const store::DigestCustomer& customer, const store::Desk& desk,
                                                 base::DigestId digest, base::Time start, base::Time end, base::Time now);
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
