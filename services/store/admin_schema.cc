#include "store/admin_schema.h"

#include <libpq-fe.h>

#include <memory>

#include <fmt/format.h>

#include "sql/embedded.h"

namespace mimamori::store {
namespace {

struct FreePq {
    void operator()(char* text) const { PQfreemem(text); }
};

// What the server stores instead of the password, made here so that the password is never in a statement.
Expected<std::string> scram_verifier(Connection& connection, const RolePassword& given) {
    const std::unique_ptr<char, FreePq> verifier{
        PQencryptPasswordConn(connection.raw(), given.password.c_str(), given.role.c_str(), "scram-sha-256")};
    if (verifier == nullptr) {
        return base::failure(FailureKind::refused, fmt::format("password of {}: {}", given.role, PQerrorMessage(connection.raw())));
    }
    return std::string{verifier.get()};
}

// Runs the statement that the statement `name` composes.
Expected<void> run_composed(Connection& connection, std::string_view name, const Params& params) {
    return connection.run(name, params).and_then([&](const Result& composed) {
        return connection.run_script(composed.text(0, 0));
    });
}

Expected<void> set_password(Connection& connection, const RolePassword& given) {
    return scram_verifier(connection, given).and_then([&](const std::string& verifier) {
        return run_composed(connection, "compose_set_password", Params{}.text(given.role).text(verifier));
    });
}

Expected<void> apply(Connection& owner, const Migration& migration) {
    auto done = owner.begin()
                    .and_then([&] { return owner.run_script(migration.sql); })
                    .and_then([&] {
                        return owner.run("add_schema_migration", Params{}.text(migration.name).text(migration.sql));
                    })
                    .and_then([&](const Result&) { return owner.commit(); });
    if (!done) {
        owner.rollback();
        return base::failure(done.error().kind, fmt::format("migration {}: {}", migration.name, done.error().what));
    }
    return {};
}

Expected<std::vector<std::string>> migrate_locked(Connection& owner, const std::vector<Migration>& migrations) {
    auto applied = owner.run("make_schema_migrations")
                       .and_then([&](const Result&) { return owner.run("grant_schema_migrations"); })
                       .and_then([&](const Result&) { return owner.run("schema_migrations"); });
    if (!applied) {
        return tl::unexpected{applied.error()};
    }
    for (int row = 0; row < applied->rows(); ++row) {
        const auto version = applied->text(row, 0);
        const auto at = static_cast<std::size_t>(row);
        if (at >= migrations.size() || migrations[at].name != version) {
            return base::failure(FailureKind::refused,
                                 fmt::format("the database has migration {}, this program does not: use a newer program", version));
        }
        auto sha256 = owner.run("sha256_of_text", Params{}.text(migrations[at].sql));
        if (!sha256) {
            return tl::unexpected{sha256.error()};
        }
        if (sha256->text(0, 0) != applied->text(row, 1)) {
            return base::failure(FailureKind::refused,
                                 fmt::format("migration {} was changed after it had been applied: restore the file and put the "
                                             "change into a new migration",
                                             version));
        }
    }
    std::vector<std::string> made;
    for (auto at = static_cast<std::size_t>(applied->rows()); at < migrations.size(); ++at) {
        if (auto done = apply(owner, migrations[at]); !done) {
            return tl::unexpected{done.error()};
        }
        made.emplace_back(migrations[at].name);
    }
    return made;
}

}  // namespace

std::vector<std::string> database_roles() {
    return {"mimamori_owner",    "mimamori_gateway", "mimamori_correlator", "mimamori_notifier",
            "mimamori_fleet", "mimamori_admin",   "mimamori_portal"};
}

Expected<bool> create_database(Connection& superuser, std::string_view database, const std::vector<RolePassword>& passwords) {
    if (auto ready = superuser.run("lock_cluster_setup").and_then([&](const Result&) {
            return superuser.run_script(sql::bootstrap());
        });
        !ready) {
        return tl::unexpected{ready.error()};
    }
    for (const auto& given : passwords) {
        if (auto set = set_password(superuser, given); !set) {
            return tl::unexpected{set.error()};
        }
    }
    auto exists = superuser.run("database_exists", Params{}.text(database));
    if (!exists) {
        return tl::unexpected{exists.error()};
    }
    if (exists->boolean(0, 0)) {
        return false;
    }
    return run_composed(superuser, "compose_create_database", Params{}.text(database)).map([] { return true; });
}

std::vector<Migration> embedded_migrations() {
    std::vector<Migration> out;
    for (const auto& text : sql::migrations()) {
        out.push_back({text.name, text.sql});
    }
    return out;
}

Expected<std::vector<std::string>> migrate(Connection& owner, const std::vector<Migration>& migrations) {
    if (auto locked = owner.run("lock_migrations"); !locked) {
        return tl::unexpected{locked.error()};
    }
    auto made = migrate_locked(owner, migrations);
    (void)owner.run("unlock_migrations");  // the end of the session unlocks as well
    return made;
}

Expected<void> check_schema_version(Connection& connection) {
    const auto known = sql::migrations();
    auto version = connection.run("schema_version");
    if (!version) {
        return base::failure(version.error().kind, "schema version: " + version.error().what +
                                                       "; has `mimamori admin database migrate` been run?");
    }
    const auto stands_at = version->text(0, 0);
    for (std::size_t back = 1; back <= 2 && back <= known.size(); ++back) {
        if (known[known.size() - back].name == stands_at) {
            return {};
        }
    }
    return base::failure(FailureKind::refused,
                         fmt::format("the database's schema is at \"{}\", this program needs {} or the one before: run "
                                     "`mimamori admin database migrate` of the matching version",
                                     stands_at, known.back().name));
}

}  // namespace mimamori::store
