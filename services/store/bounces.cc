#include "store/bounces.h"

#include <fmt/format.h>

namespace mimamori::store {
namespace {

constexpr std::int64_t most_bounces_of_a_mail = 10;

}  // namespace

std::string mail_subject(base::OutboxId id, bool to_customer) {
    return to_customer ? fmt::format("mail {}", id.value) : "mails to the operator";
}

Expected<std::optional<BouncedMail>> BounceStore::mail_with(std::string_view token) {
    return connection_.run("mail_with_bounce_token", Params{}.text(token))
        .map([](const Result& rows) -> std::optional<BouncedMail> {
            if (rows.empty()) {
                return std::nullopt;
            }
            return BouncedMail{rows.id<base::OutboxId>(0, 0),
                               rows.is_null(0, 1) ? std::nullopt : std::optional{rows.id<base::CustomerId>(0, 1)},
                               std::string{rows.text(0, 2)}};
        });
}

Expected<bool> BounceStore::add_bounce(base::OutboxId mail, std::string_view file,
                                       const domain::ReturnedMail& returned) {
    const auto* action = returned.kind == domain::ReturnedMail::Kind::failed ? "failed" : "delayed";
    return connection_
        .run("add_bounce", Params{}
                               .id(mail)
                               .text(file)
                               .text(action)
                               .text(returned.status)
                               .text(returned.recipient)
                               .text(returned.diagnostic)
                               .integer(most_bounces_of_a_mail))
        .map([](const Result& rows) { return !rows.empty(); });
}

Expected<void> BounceStore::mark_bounced(base::OutboxId mail) {
    return connection_.run("mark_bounced", Params{}.id(mail)).map([](const Result&) {});
}

Expected<void> BounceStore::raise_alarm(std::string_view kind, std::string_view subject, std::string_view detail) {
    return connection_.run("raise_alarm", Params{}.text(kind).text(subject).text(detail)).map([](const Result&) {});
}

Expected<void> BounceStore::close_alarm(std::string_view kind, std::string_view subject) {
    return connection_.run("close_alarm", Params{}.text(kind).text(subject)).map([](const Result&) {});
}

}  // namespace mimamori::store
