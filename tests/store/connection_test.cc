// What a session of ours asks of PostgreSQL.
#include <libpq-fe.h>

#include <memory>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "support/test_certificates.h"
#include "support/test_database.h"

using namespace mimamori;

namespace {

std::string shown(store::Connection& connection, const std::string& name) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{PQexec(connection.raw(), ("show " + name).c_str()),
                                                               &PQclear};
    return PQntuples(result.get()) == 1 ? PQgetvalue(result.get(), 0, 0) : "";
}

}  // namespace

TEST_CASE("when our machine is gone PostgreSQL notices within a minute and frees what the session held") {
    test::TestDatabase database;
    const test::TemporaryFolder folder;
    // Over TCP, where alone it matters, nobody logs in without a password.
    const auto role = database.name() + "_caller";
    database.query(fmt::format("create role \"{}\" login password 'for this test'", role));
    auto login = database.login("correlator");
    login.host = "127.0.0.1";
    login.user = role;
    login.password_file = folder.write("password", "for this test");
    {
        auto connection = store::Connection::open(login);
        CHECK(connection);
        if (connection) {
            CHECK(shown(*connection, "tcp_keepalives_idle") == "30");
            CHECK(shown(*connection, "tcp_keepalives_interval") == "5");
            CHECK(shown(*connection, "tcp_keepalives_count") == "5");
            CHECK(shown(*connection, "tcp_user_timeout") == "30000");
            CHECK(shown(*connection, "client_connection_check_interval") == "10s");
        }
    }
    database.query(fmt::format("drop role \"{}\"", role));
}
