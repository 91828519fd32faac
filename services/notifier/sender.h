// Hands the outbox's mails to the relay. Several senders may run, in one process or many: a mail is claimed by one.
//
//   claim one due mail (the attempt is counted and committed before the relay is spoken to)
//   speak to the relay
//   write down how it ended; decide by domain/mail_delivery.h whether and when it is tried again
//
// A sender killed between claim and end leaves an attempt that stands as in doubt; after its lease the mail is due again.
#pragma once

#include <stop_token>

#include "notifier/settings.h"
#include "platform/events.h"
#include "store/notifier_store.h"

namespace mimamori::notifier {

class Sender {
  public:
    Sender(store::Connection& connection, const Settings& settings, platform::Events& events);

    // Sends at most one mail; true if there was one. Fails only when PostgreSQL does.
    base::Expected<bool> send_one();

  private:
    base::Expected<void> note_end(const store::ClaimedMail& mail, const domain::SendOutcome& outcome);
    base::Expected<void> alarm(const platform::Event& event, const std::string& subject, const std::string& detail);

    store::NotifierStore store_;
    const Settings& settings_;
    platform::Events& events_;
    adapters::smtp::Relay relay_;
};

}  // namespace mimamori::notifier
