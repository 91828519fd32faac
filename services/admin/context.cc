#include "admin/context.h"

#include <pwd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "store/admin_records.h"

namespace mimamori::admin {

base::Expected<Context> make_context(platform::Config config, bool json) {
    auto settings = platform::read_process(config);
    if (!settings) {
        return tl::unexpected{settings.error()};
    }
    platform::Clock clock;
    if (!settings->clock_file.empty()) {
        auto steered = platform::Clock::steered_by(settings->clock_file);
        if (!steered) {
            return tl::unexpected{steered.error()};
        }
        clock = std::move(*steered);
    }
    const auto* user = ::getpwuid(::getuid());
    auto actor = user != nullptr ? fmt::format("os:{}", user->pw_name) : fmt::format("os:uid {}", ::getuid());
    return Context{std::move(config), std::move(clock), std::move(actor), json};
}

base::Expected<store::Connection> connect(const Context& context, bool patient) {
    return platform::read_postgres(context.config).and_then([&](const platform::PostgresConfig& postgres) {
        store::Login login{.host = postgres.host,
                           .port = postgres.port,
                           .database = postgres.database,
                           .user = postgres.user,
                           .password_file = postgres.password_file,
                           .application_name = "mimamori admin"};
        login.statement_timeout_ms = patient ? 0 : login.statement_timeout_ms;
        return store::Connection::open(login);
    });
}

base::Expected<void> audited(const Context& context,
                             const std::function<base::Expected<Audit>(store::Connection&)>& work) {
    auto connection = connect(context);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    auto done = connection->begin()
                    .and_then([&] { return work(*connection); })
                    .and_then([&](const Audit& audit) {
                        return store::add_audit(*connection, context.actor, audit.action, audit.object, audit.detail);
                    })
                    .and_then([&] { return connection->commit(); });
    if (!done) {
        connection->rollback();
    }
    return done;
}

}  // namespace mimamori::admin
