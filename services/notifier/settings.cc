#include "notifier/settings.h"

#include <fmt/format.h>

#include "domain/bounce.h"

namespace mimamori::notifier {

using std::chrono::milliseconds;

base::Expected<Settings> read_settings(const platform::Config& config) {
    const auto postgres = platform::read_postgres(config);
    if (!postgres) {
        return tl::unexpected{postgres.error()};
    }
    Settings out;
    out.login = {.host = postgres->host,
                 .port = postgres->port,
                 .database = postgres->database,
                 .user = postgres->user,
                 .password_file = postgres->password_file,
                 .application_name = "mimamori-notifier"};

    auto notifier = config.section("notifier");
    out.window = notifier.duration_ms("window_ms", std::chrono::hours{1}, std::chrono::seconds{1}, std::chrono::hours{24});
    out.poll = notifier.duration_ms("poll_ms", milliseconds{1000}, milliseconds{10}, std::chrono::minutes{1});
    out.from_address = notifier.required_text("from_address");
    out.bounce_address = notifier.required_text("bounce_address");
    out.bounce_maildir = notifier.text("bounce_maildir", "");
    out.operator_address = notifier.text("operator_address", "");
    out.message_id_domain = notifier.required_text("message_id_domain");
    out.senders = static_cast<int>(notifier.count("senders", 4, 1, 64));
    if (auto done = notifier.finish(); !done) {
        return tl::unexpected{done.error()};
    }
    const auto at = out.bounce_address.find('@');
    if (at == 0 || at == std::string::npos || at > domain::longest_bounce_name) {
        return base::failure(
            base::FailureKind::refused,
            fmt::format(
                "notifier.bounce_address: \"{}\" must be a mail address with at most {} characters before the @, "
                "since each mail adds a tag of its own there",
                out.bounce_address, domain::longest_bounce_name));
    }

    auto smtp = config.section("smtp");
    out.relay.host = smtp.text("host", "127.0.0.1");
    out.relay.port = static_cast<int>(smtp.count("port", 25, 1, 65'535));
    out.relay.user = smtp.text("user", "");
    out.relay.password_file = smtp.text("password_file", "");
    out.relay.starttls = smtp.flag("starttls", true);
    out.relay.ca_file = smtp.text("ca_file", "");
    out.relay.helo_name = smtp.text("helo_name", "localhost");
    out.relay.connect_timeout_ms = static_cast<int>(
        smtp.duration_ms("connect_timeout_ms", milliseconds{10'000}, milliseconds{100}, std::chrono::minutes{2}).count());
    out.relay.total_timeout_ms = static_cast<int>(
        smtp.duration_ms("total_timeout_ms", milliseconds{60'000}, milliseconds{200}, std::chrono::minutes{10}).count());
    if (auto done = smtp.finish(); !done) {
        return tl::unexpected{done.error()};
    }
    return out;
}

}  // namespace mimamori::notifier
