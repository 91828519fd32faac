#include "store/notifier_store.h"

namespace mimamori::store {
namespace {

domain::Language language_of(std::string_view text) {
    return text == "en" ? domain::Language::en : domain::Language::ja;
}

domain::MailItemFacts::Kind kind_of(std::string_view text) {
    using Kind = domain::MailItemFacts::Kind;
    return text == "new" ? Kind::fresh : text == "raised" ? Kind::raised : Kind::continues;
}

DigestItem item_of(const Result& rows, int row) {
    DigestItem out;
    auto& facts = out.facts;
    facts.kind = kind_of(rows.text(row, 0));
    facts.detections = rows.integer(row, 1);
    facts.first_observed_at = rows.time(row, 2);
    facts.last_observed_at = rows.time(row, 3);
    facts.alert_id = rows.text(row, 4);
    facts.class_id = rows.text(row, 5);
    facts.function = static_cast<domain::Function>(rows.integer(row, 6));
    facts.direction = static_cast<domain::Direction>(rows.integer(row, 7));
    facts.action = static_cast<domain::Action>(rows.integer(row, 8));
    facts.name = rows.text(row, 9);
    facts.source_ip = rows.text(row, 10);
    facts.source_port = static_cast<int>(rows.integer(row, 11));
    facts.destination_ip = rows.text(row, 12);
    facts.destination_port = static_cast<int>(rows.integer(row, 13));
    facts.lan_mac = rows.text(row, 14);
    facts.device_key = rows.text(row, 15);
    facts.device_name = rows.text(row, 16);
    facts.observed_at = rows.time(row, 17);
    facts.utm_id = rows.text(row, 18);
    out.pack_id = rows.integer(row, 19);
    return out;
}

std::optional<StoredText> stored_text(const Result& rows) {
    if (rows.empty()) {
        return std::nullopt;
    }
    return StoredText{std::string{rows.text(0, 0)}, std::string{rows.text(0, 1)}};
}

}  // namespace

Expected<bool> NotifierStore::lead() {
    return connection_.run("notifier_lead").map([](const Result& rows) { return rows.boolean(0, 0); });
}

Expected<std::optional<base::Time>> NotifierStore::closed_until() {
    return connection_.run("notifier_state").map([](const Result& rows) {
        return rows.empty() ? std::nullopt : std::optional{rows.time(0, 0)};
    });
}

Expected<void> NotifierStore::set_closed_until(base::Time end) {
    return connection_.run("set_notifier_state", Params{}.time(end)).map([](const Result&) {});
}

Expected<void> NotifierStore::keep_partitions_ahead(base::Time now) {
    return connection_.run("keep_partitions_ahead", Params{}.time(now)).map([](const Result&) {});
}

Expected<std::vector<OpenNews>> NotifierStore::open_news(bool only_at_once) {
    return connection_.run("customers_with_open_items", Params{}.boolean(only_at_once)).map([](const Result& rows) {
        std::vector<OpenNews> out;
        for (int row = 0; row < rows.rows(); ++row) {
            out.push_back({rows.id<base::CustomerId>(row, 0), static_cast<domain::Severity>(rows.integer(row, 1))});
        }
        return out;
    });
}

Expected<std::vector<OpenNews>> NotifierStore::open_losses() {
    return connection_.run("customers_with_open_losses").map([](const Result& rows) {
        std::vector<OpenNews> out;
        for (int row = 0; row < rows.rows(); ++row) {
            out.push_back({rows.id<base::CustomerId>(row, 0), std::nullopt});
        }
        return out;
    });
}

Expected<NotifierStore::Taken> NotifierStore::close_digest(const OpenNews& news, base::Time start, base::Time end,
                                                           base::Time now, bool at_once) {
    const auto severity = news.severity ? std::optional{static_cast<std::int64_t>(*news.severity)} : std::nullopt;
    auto digest = connection_.run(
        "insert_digest",
        Params{}.id(news.customer).integer_or_null(severity).time(start).time(end).time(now).boolean(at_once));
    if (!digest) {
        return tl::unexpected{digest.error()};
    }
    const auto id = digest->id<base::DigestId>(0, 0);
    auto taken = severity ? connection_.run("take_open_items", Params{}.id(id).id(news.customer).integer(*severity))
                          : connection_.run("take_open_losses", Params{}.id(id).id(news.customer));
    return taken.map([&](const Result& rows) { return Taken{id, rows.rows()}; });
}

Expected<std::vector<DigestItem>> NotifierStore::digest_items(base::DigestId digest) {
    return connection_.run("digest_items", Params{}.id(digest)).map([](const Result& rows) {
        std::vector<DigestItem> out;
        for (int row = 0; row < rows.rows(); ++row) {
            out.push_back(item_of(rows, row));
        }
        return out;
    });
}

Expected<std::vector<domain::LossItem>> NotifierStore::digest_losses(base::DigestId digest) {
    return connection_.run("digest_losses", Params{}.id(digest)).map([](const Result& rows) {
        std::vector<domain::LossItem> out;
        for (int row = 0; row < rows.rows(); ++row) {
            out.push_back({.utm_id = std::string{rows.text(row, 0)},
                           .site_name = std::string{rows.text(row, 1)},
                           .blocks = rows.boolean(row, 2),
                           .entries = rows.integer(row, 3),
                           .urgent = rows.integer(row, 4),
                           .at_least = rows.boolean(row, 5),
                           .oldest = rows.time_or_null(row, 6),
                           .newest = rows.time_or_null(row, 7),
                           .times_incomplete = rows.boolean(row, 8)});
        }
        return out;
    });
}

Expected<DigestCustomer> NotifierStore::customer(base::CustomerId customer) {
    return connection_.run("digest_customer", Params{}.id(customer)).and_then([](const Result& rows) -> Expected<DigestCustomer> {
        if (rows.empty()) {
            return base::failure(FailureKind::refused, "digest_customer: no such customer");
        }
        return DigestCustomer{std::string{rows.text(0, 0)}, std::string{rows.text(0, 1)}, language_of(rows.text(0, 2)),
                              rows.id<base::OperatorId>(0, 3)};
    });
}

Expected<std::vector<DigestRecipient>> NotifierStore::recipients(base::CustomerId customer, base::Time at) {
    return connection_.run("digest_recipients", Params{}.id(customer).time(at)).map([](const Result& rows) {
        std::vector<DigestRecipient> out;
        for (int row = 0; row < rows.rows(); ++row) {
            const auto language = rows.text(row, 2);
            out.push_back({std::string{rows.text(row, 0)}, std::string{rows.text(row, 1)},
                           language.empty() ? std::nullopt : std::optional{language_of(language)}});
        }
        return out;
    });
}

Expected<std::optional<Desk>> NotifierStore::desk_in_force(base::OperatorId id, base::Time at) {
    return connection_.run("desk_in_force", Params{}.id(id).time(at)).map([](const Result& rows) -> std::optional<Desk> {
        if (rows.empty()) {
            return std::nullopt;
        }
        const auto text = [&](int column) { return std::string{rows.text(0, column)}; };
        return Desk{.ja = {text(0), text(2), text(4), text(5), text(7), text(8), text(10)},
                    .en = {text(1), text(3), text(4), text(6), text(7), text(9), text(10)}};
    });
}

Expected<std::optional<domain::InsuranceFacts>> NotifierStore::terms_in_force(base::Time at) {
    return connection_.run("insurance_terms_in_force", Params{}.time(at)).map([](const Result& rows) {
        return rows.empty() ? std::nullopt
                            : std::optional{domain::InsuranceFacts{rows.integer(0, 1), static_cast<int>(rows.integer(0, 2)),
                                                                   rows.boolean(0, 3)}};
    });
}

Expected<std::optional<StoredText>> NotifierStore::mail_texts_in_force(base::Time at) {
    return connection_.run("mail_texts_in_force", Params{}.time(at)).map(stored_text);
}

Expected<std::optional<StoredText>> NotifierStore::rule_pack(std::int64_t pack_id) {
    return connection_.run("rule_pack_content", Params{}.integer(pack_id)).map(stored_text);
}

Expected<void> NotifierStore::insert_outbox(std::optional<base::CustomerId> customer, std::optional<base::DigestId> digest,
                                            const std::string& address, const std::string& message_id, const std::string& mail) {
    Params params;
    params.integer_or_null(customer ? std::optional{customer->value} : std::nullopt);
    params.integer_or_null(digest ? std::optional{digest->value} : std::nullopt);
    params.text(address).text(message_id).bytes(std::string_view{mail});
    return connection_.run("insert_outbox", params).map([](const Result&) {});
}

Expected<std::optional<ClaimedMail>> NotifierStore::claim_mail(std::int64_t lease_ms) {
    return connection_.run("outbox_claim", Params{}.integer(lease_ms))
        .map([](const Result& rows) -> std::optional<ClaimedMail> {
            if (rows.empty()) {
                return std::nullopt;
            }
            return ClaimedMail{.id = rows.id<base::OutboxId>(0, 0),
                               .address = std::string{rows.text(0, 1)},
                               .mail = rows.bytes(0, 2),
                               .state = {static_cast<int>(rows.integer(0, 3)), static_cast<int>(rows.integer(0, 4)),
                                         rows.time(0, 5), rows.time(0, 6)},
                               .to_customer = !rows.is_null(0, 7),
                               .bounce_token = std::string{rows.text(0, 8)}};
        });
}

Expected<void> NotifierStore::end_attempt(base::OutboxId id, std::string_view state, bool reached_data, bool in_doubt,
                                          std::int64_t next_in_ms, std::string_view reply) {
    return connection_
        .run("outbox_end", Params{}.id(id).text(state).integer(reached_data ? 0 : 1).integer(in_doubt ? 0 : 1).integer(next_in_ms).text(reply))
        .map([](const Result&) {});
}

Expected<std::vector<ExhaustedMail>> NotifierStore::give_up_exhausted() {
    return connection_.run("outbox_give_up_exhausted").map([](const Result& rows) {
        std::vector<ExhaustedMail> out;
        for (int row = 0; row < rows.rows(); ++row) {
            out.push_back({rows.id<base::OutboxId>(row, 0), !rows.is_null(row, 1)});
        }
        return out;
    });
}

Expected<std::vector<OpenAlarm>> NotifierStore::alarms_to_mail() {
    return connection_.run("open_alarms_to_mail").map([](const Result& rows) {
        std::vector<OpenAlarm> out;
        for (int row = 0; row < rows.rows(); ++row) {
            out.push_back({rows.integer(row, 0), std::string{rows.text(row, 1)}, std::string{rows.text(row, 2)},
                           std::string{rows.text(row, 3)}, rows.integer(row, 4), rows.time(row, 5)});
        }
        return out;
    });
}

Expected<void> NotifierStore::alarms_mailed(const std::vector<std::int64_t>& ids) {
    return connection_.run("alarms_mailed", Params{}.integers(ids)).map([](const Result&) {});
}

Expected<void> NotifierStore::raise_alarm(std::string_view kind, std::string_view subject, std::string_view detail) {
    return connection_.run("raise_alarm", Params{}.text(kind).text(subject).text(detail)).map([](const Result&) {});
}

Expected<void> NotifierStore::close_alarm(std::string_view kind, std::string_view subject) {
    return connection_.run("close_alarm", Params{}.text(kind).text(subject)).map([](const Result&) {});
}

}  // namespace mimamori::store
