// What the notifier asks of PostgreSQL: open news, closed digests, the outbox. Typed calls of sql/queries/notifier.sql.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/loss_text.h"
#include "domain/mail_delivery.h"
#include "domain/mail_text.h"
#include "store/connection.h"

namespace mimamori::store {

struct OpenNews {
    base::CustomerId customer;
    std::optional<domain::Severity> severity;  // of findings; empty: lost records
};

struct DigestItem {
    domain::MailItemFacts facts;  // without the class's texts
    std::int64_t pack_id;
};

struct DigestCustomer {
    std::string name, contact_name;
    domain::Language language;
    base::OperatorId operator_id;
};

struct DigestRecipient {
    std::string address, name;
    std::optional<domain::Language> language;
};

struct Desk {
    domain::DeskFacts ja, en;
};

struct StoredText {  // a rule pack's or a mail text's YAML
    std::string version, content;
};

struct ClaimedMail {
    base::OutboxId id;
    std::string address, mail;
    domain::DeliveryState state;
    bool to_customer;  // else to the operator
    std::string bounce_token;
};

struct ExhaustedMail {
    base::OutboxId id;
    bool to_customer;
};

struct OpenAlarm {
    std::int64_t id;
    std::string kind, subject, detail;
    std::int64_t count;
    base::Time opened_at;
};

class NotifierStore {
  public:
    explicit NotifierStore(Connection& connection) : connection_{connection} {}

    // True if this session is the one notifier that closes hours; the lock goes with the session.
    Expected<bool> lead();

    Expected<std::optional<base::Time>> closed_until();
    Expected<void> set_closed_until(base::Time end);
    Expected<void> keep_partitions_ahead(base::Time now);
    Expected<std::vector<OpenNews>> open_news(bool only_at_once);  // findings
    Expected<std::vector<OpenNews>> open_losses();

    // Inside a transaction: the digest and how many items or losses it took.
    struct Taken {
        base::DigestId digest;
        std::int64_t items;
    };
    Expected<Taken> close_digest(const OpenNews& news, base::Time start, base::Time end, base::Time now, bool at_once);
    Expected<std::vector<DigestItem>> digest_items(base::DigestId digest);
    Expected<std::vector<domain::LossItem>> digest_losses(base::DigestId digest);
    Expected<DigestCustomer> customer(base::CustomerId customer);
    Expected<std::vector<DigestRecipient>> recipients(base::CustomerId customer, base::Time at);
    Expected<std::optional<Desk>> desk_in_force(base::OperatorId id, base::Time at);
    Expected<std::optional<domain::InsuranceFacts>> terms_in_force(base::Time at);
    Expected<std::optional<StoredText>> mail_texts_in_force(base::Time at);
    Expected<std::optional<StoredText>> rule_pack(std::int64_t pack_id);
    Expected<void> insert_outbox(std::optional<base::CustomerId> customer, std::optional<base::DigestId> digest,
                                 const std::string& address, const std::string& message_id, const std::string& mail);

    // One due mail, its attempt already counted; empty if none is due. `lease_ms` must exceed the longest attempt.
    Expected<std::optional<ClaimedMail>> claim_mail(std::int64_t lease_ms);
    // `reached_data` and `in_doubt` say what of the count stays.
    Expected<void> end_attempt(base::OutboxId id, std::string_view state, bool reached_data, bool in_doubt,
                               std::int64_t next_in_ms, std::string_view reply);
    Expected<std::vector<ExhaustedMail>> give_up_exhausted();

    Expected<std::vector<OpenAlarm>> alarms_to_mail();
    Expected<void> alarms_mailed(const std::vector<std::int64_t>& ids);
    Expected<void> raise_alarm(std::string_view kind, std::string_view subject, std::string_view detail);
    Expected<void> close_alarm(std::string_view kind, std::string_view subject);

  private:
    Connection& connection_;
};

}  // namespace mimamori::store
