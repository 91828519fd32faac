#include "support/test_database.h"

#include <libpq-fe.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>

#include "base/random.h"
#include "base/text.h"
#include "sql/embedded.h"
#include "store/admin_schema.h"

namespace mimamori::test {
namespace {

std::string setting(const char* name, const char* fallback) {
    const char* value = std::getenv(name);
    if (value == nullptr && fallback == nullptr) {
        throw std::runtime_error(fmt::format("{} is not set: start PostgreSQL (deploy/dev/stack) and name it", name));
    }
    return value == nullptr ? fallback : value;
}

store::Login login_to(std::string database, std::string user) {
    store::Login login;
    login.host = setting("MIMAMORI_POSTGRES_HOST", nullptr);
    login.port = std::stoi(setting("MIMAMORI_POSTGRES_PORT", "5432"));
    login.database = std::move(database);
    login.user = std::move(user);
    login.application_name = "mimamori-test";
    login.statement_timeout_ms = 120'000;
    return login;
}

std::string superuser_name() {
    return setting("MIMAMORI_TEST_SUPERUSER", "postgres");
}

template <class T>
T must(base::Expected<T> value) {
    if (!value) {
        throw std::runtime_error(value.error().what);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*value);
    }
}

store::Connection open(const std::string& database, const std::string& user) {
    return must(store::Connection::open(login_to(database, user)));
}

std::vector<std::vector<std::string>> rows_of(store::Connection& connection, std::string_view sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result{PQexec(connection.raw(), std::string{sql}.c_str()), &PQclear};
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        throw std::runtime_error(fmt::format("{}\n{}", PQresultErrorMessage(result.get()), sql));
    }
    std::vector<std::vector<std::string>> rows;
    for (int row = 0; row < PQntuples(result.get()); ++row) {
        auto& cells = rows.emplace_back();
        for (int column = 0; column < PQnfields(result.get()); ++column) {
            cells.emplace_back(PQgetvalue(result.get(), row, column),
                               static_cast<std::size_t>(PQgetlength(result.get(), row, column)));
        }
    }
    return rows;
}

// FNV-1a over bootstrap and migrations: another schema gets another template.
std::string template_name() {
    std::uint64_t hash = 14695981039346656037ULL;
    const auto add = [&](std::string_view text) {
        for (const char c : text) {
            hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
        }
    };
    add(sql::bootstrap());
    for (const auto& migration : sql::migrations()) {
        add(migration.name);
        add(migration.sql);
    }
    return fmt::format("mimamori_template_{:016x}", hash);
}

// Made under another name and renamed when complete, so that an interrupted run leaves no half-made template.
void make_template(store::Connection& server, const std::string& name) {
    must(server.run_script(sql::bootstrap()));
    const auto draft = name + "_draft";
    must(server.run_script(fmt::format("drop database if exists {} with (force)", draft)));
    must(server.run_script(fmt::format("create database {} owner mimamori_owner", draft)));
    {
        auto admin = open(draft, superuser_name());
        must(admin.run_script("grant all on schema public to mimamori_owner"));
        auto owner = open(draft, "mimamori_owner");
        must(store::migrate(owner, store::embedded_migrations()));
    }
    must(server.run_script(fmt::format("alter database {} rename to {}", draft, name)));
}

std::string copy_of_template() {
    auto server = open("postgres", superuser_name());
    const auto name = template_name();
    const auto copy = fmt::format("mimamori_test_{}", base::to_hex(base::random_bytes16()));
    // One test process at a time: while one copies, nobody else may be connected to the template or be making it.
    must(server.run_script("select pg_advisory_lock(7205759403792795)"));
    if (rows_of(server, fmt::format("select from pg_database where datname = '{}'", name)).empty()) {
        make_template(server, name);
    }
    must(server.run_script(fmt::format("create database {} template {} owner mimamori_owner", copy, name)));
    return copy;
}

}  // namespace

TestDatabase::TestDatabase() : name_{copy_of_template()}, connection_{open(name_, superuser_name())} {}

TestDatabase::~TestDatabase() {
    auto server = store::Connection::open(login_to("postgres", superuser_name()));
    if (server) {
        (void)server->run_script(fmt::format("drop database if exists {} with (force)", name_));
    }
}

store::Login TestDatabase::login(std::string_view role) const {
    return login_to(name_, fmt::format("mimamori_{}", role));
}

store::Login TestDatabase::superuser() const {
    return login_to(name_, superuser_name());
}

store::Connection TestDatabase::connect(std::string_view role) const {
    return must(store::Connection::open(login(role)));
}

std::vector<std::vector<std::string>> TestDatabase::query(std::string_view sql) {
    return rows_of(connection_, sql);
}

std::int64_t TestDatabase::integer(std::string_view sql) {
    const auto rows = query(sql);
    if (rows.size() != 1 || rows[0].size() != 1) {
        throw std::runtime_error(fmt::format("not one value: {}", sql));
    }
    return std::stoll(rows[0][0]);
}

Tenant TestDatabase::make_tenant(std::string_view label) {
    const auto rows = query(fmt::format(
        "with o as (insert into operators (name) values ('operator {0}') returning id),"
        " r as (insert into resellers (operator_id, name) select id, 'reseller {0}' from o returning id),"
        " c as (insert into customers (reseller_id, name) select id, 'customer {0}' from r returning id),"
        " s as (insert into sites (customer_id, name) select id, 'site {0}' from c returning id, customer_id)"
        " select customer_id, id from s",
        label));
    return add_appliance(
        {base::CustomerId{std::stoll(rows[0][0])}, base::SiteId{std::stoll(rows[0][1])}, {}, {}});
}

Tenant TestDatabase::add_appliance(const Tenant& tenant) {
    const auto rows = query(fmt::format(
        "with a as (insert into appliances (utm_id) values ('UTM-{}') returning id)"
        " insert into rentals (customer_id, site_id, appliance_id) select {}, {}, id from a returning appliance_id, id",
        base::to_hex(base::random_bytes16()).substr(0, 12), tenant.customer.value, tenant.site.value));
    return {tenant.customer, tenant.site, base::ApplianceId{std::stoll(rows[0][0])},
            base::RentalId{std::stoll(rows[0][1])}};
}

void TestDatabase::add_certificate(base::RentalId rental, std::string_view fingerprint) {
    const std::span bytes{reinterpret_cast<const std::uint8_t*>(fingerprint.data()), fingerprint.size()};
    query(fmt::format("insert into certificates (fingerprint, rental_id, serial, not_before, not_after)"
                      " values ('\\x{0}', {1}, '{0}', now(), now() + interval '1 year')",
                      base::to_hex(bytes), rental.value));
}

}  // namespace mimamori::test
