#include "notifier/operator_mail.h"

#include <fmt/format.h>

#include "adapters/mime/message.h"
#include "base/random.h"
#include "base/text.h"

namespace mimamori::notifier {
namespace {

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
    }
    return out;
}

}  // namespace

base::Expected<bool> mail_open_alarms(store::Connection& connection, const Settings& settings, base::Time now) {
    if (settings.operator_address.empty()) {
        return false;
    }
    if (auto begun = connection.begin(); !begun) {
        return tl::unexpected{begun.error()};
    }
    store::NotifierStore store{connection};
    const auto roll_back = [&](const base::Failure& failure) {
        connection.rollback();
        return tl::unexpected{failure};
    };
    auto alarms = store.alarms_to_mail();
    if (!alarms) {
        return roll_back(alarms.error());
    }
    if (alarms->empty()) {
        connection.rollback();
        return false;
    }
    std::string plain = fmt::format("{} alarm(s) opened. Each name has a paragraph in the runbook.\n", alarms->size());
    std::vector<std::int64_t> ids;
    for (const auto& alarm : *alarms) {
        plain += fmt::format("\n{}  {}  (since {} Japan time, {} time(s))\n  {}\n", alarm.kind, base::to_single_line(alarm.subject),
                             base::format_jst(alarm.opened_at), alarm.count, base::to_single_line(alarm.detail));
        ids.push_back(alarm.id);
    }
    const auto message_id = fmt::format("{}@{}", base::uuid_text(base::random_uuid()), settings.message_id_domain);
    auto mail = adapters::mime::render({.from_name = "mimamori",
                                        .from_address = settings.from_address,
                                        .to_name = "",
                                        .to_address = settings.operator_address,
                                        .reply_to = "",
                                        .subject = fmt::format("[mimamori] {} alarm(s): {}", alarms->size(), alarms->front().kind),
                                        .message_id = message_id,
                                        .date = now,
                                        .plain = plain,
                                        .html = "<!DOCTYPE html><html><body><pre>" + escaped(plain) + "</pre></body></html>",
                                        .headers = {{"Auto-Submitted", "auto-generated"}}});
    if (!mail) {
        return roll_back(mail.error());
    }
    if (auto put = store.insert_outbox(std::nullopt, std::nullopt, settings.operator_address, message_id, *mail); !put) {
        return roll_back(put.error());
    }
    if (auto marked = store.alarms_mailed(ids); !marked) {
        return roll_back(marked.error());
    }
    return connection.commit().map([] { return true; });
}

}  // namespace mimamori::notifier
