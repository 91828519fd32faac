#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "admin/commands.h"
#include "base/random.h"
#include "base/text.h"
#include "platform/events.h"
#include "platform/files.h"
#include "store/admin_records.h"
#include "store/admin_schema.h"

namespace mimamori::admin {
namespace {

namespace fs = std::filesystem;

base::Expected<platform::PostgresConfig> with_password_directory(const Context& context) {
    auto postgres = platform::read_postgres(context.config);
    if (postgres && postgres->password_directory.empty()) {
        return base::failure(base::FailureKind::refused,
                             "postgres.password_directory is not set: it names where the password files of the database roles are");
    }
    return postgres;
}

std::string password_file(const platform::PostgresConfig& postgres, const std::string& role) {
    return fmt::format("{}/{}.password", postgres.password_directory, role);
}

// The password in the role's file; the file is made with a random one where it is missing.
base::Expected<store::RolePassword> role_password(const std::string& file, const std::string& role) {
    std::error_code ignored;
    if (!fs::exists(file, ignored)) {
        std::array<std::uint8_t, 24> bytes{};
        base::fill_random(bytes);
        if (auto made = platform::write_new_file(file, base::to_hex(bytes) + "\n", 0600); !made && !fs::exists(file, ignored)) {
            return tl::unexpected{made.error()};
        }
    }
    return platform::read_secret(file).map([&](std::string password) { return store::RolePassword{role, std::move(password)}; });
}

}  // namespace

Output create_database(const Context& context, const DatabaseCreate& options) {
    auto postgres = with_password_directory(context);
    if (!postgres) {
        return tl::unexpected{postgres.error()};
    }
    std::error_code error;
    fs::create_directories(postgres->password_directory, error);
    if (error) {
        return base::failure(base::FailureKind::refused, fmt::format("{}: {}", postgres->password_directory, error.message()));
    }
    std::vector<store::RolePassword> passwords;
    for (const auto& role : store::database_roles()) {
        auto password = role_password(password_file(*postgres, role), role);
        if (!password) {
            return tl::unexpected{password.error()};
        }
        passwords.push_back(std::move(*password));
    }
    return store::Connection::open({.host = postgres->host,
                                    .port = postgres->port,
                                    .database = options.maintenance_database,
                                    .user = options.superuser,
                                    .password_file = options.superuser_password_file,
                                    .application_name = "mimamori admin"})
        .and_then([&](store::Connection&& superuser) {
            return store::create_database(superuser, postgres->database, passwords);
        })
        .map([&](bool made) {
            return fmt::format("database {} {}; passwords of {} roles set from {}\nnext: mimamori admin database migrate\n",
                               postgres->database, made ? "made" : "was there already", passwords.size(),
                               postgres->password_directory);
        });
}

Output migrate_database(const Context& context) {
    auto postgres = with_password_directory(context);
    if (!postgres) {
        return tl::unexpected{postgres.error()};
    }
    auto owner = store::Connection::open({.host = postgres->host,
                                          .port = postgres->port,
                                          .database = postgres->database,
                                          .user = "mimamori_owner",
                                          .password_file = password_file(*postgres, "mimamori_owner"),
                                          .application_name = "mimamori admin",
                                          .statement_timeout_ms = 0,  // a migration may take its time
                                          .idle_in_transaction_session_timeout_ms = 0});
    if (!owner) {
        return tl::unexpected{owner.error()};
    }
    auto made = store::migrate(*owner, store::embedded_migrations());
    if (!made) {
        return tl::unexpected{made.error()};
    }
    if (made->empty()) {
        return std::string{"the schema is up to date\n"};
    }
    std::string detail;
    for (const auto& name : *made) {
        detail += fmt::format("{}{}", detail.empty() ? "" : ",", platform::json_quoted(name));
    }
    return store::add_audit(*owner, context.actor, "database.migrate", "database", fmt::format("{{\"migrations\":[{}]}}", detail))
        .map([&] { return fmt::format("migrated: {}\n", fmt::join(*made, ", ")); });
}

Output database_restored(const Context& context) {
    return audited(context,
                   [](store::Connection& connection) {
                       return store::set_generation(connection, base::random_bytes16()).map([] {
                           return Audit{"database.restored", "database"};
                       });
                   })
        .map([] {
            return std::string{"the database has a new generation\nnext: start every gateway, correlator, notifier and fleet; "
                               "one that ran all the time must be restarted\n"};
        });
}

}  // namespace mimamori::admin
