// Mails that came back, as PostgreSQL keeps them. Typed calls of sql/queries/bounces.sql; not the mailbox they came in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/bounce.h"
#include "store/connection.h"

namespace mimamori::store {

// What an alarm about a mail is filed under. Mails to the operator share one: an alarm about such a mail makes another.
std::string mail_subject(base::OutboxId id, bool to_customer);

struct BouncedMail {
    base::OutboxId id;
    std::optional<base::CustomerId> customer;  // empty: a mail to the operator
    std::string address;

    std::string subject() const { return mail_subject(id, customer.has_value()); }
};

class BounceStore {
  public:
    explicit BounceStore(Connection& connection) : connection_{connection} {}

    Expected<std::optional<BouncedMail>> mail_with(std::string_view token);
    // `kind` is failed or delayed. False if this file was stored before, or the mail has as many bounces as are kept.
    Expected<bool> add_bounce(base::OutboxId mail, std::string_view file, const domain::ReturnedMail& returned);
    Expected<void> mark_bounced(base::OutboxId mail);
    Expected<void> raise_alarm(std::string_view kind, std::string_view subject, std::string_view detail);
    Expected<void> close_alarm(std::string_view kind, std::string_view subject);

  private:
    Connection& connection_;
};

}  // namespace mimamori::store
