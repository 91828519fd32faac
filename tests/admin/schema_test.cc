// Making and migrating databases on a real PostgreSQL.
#include <catch2/catch.hpp>

#include <thread>

#include "store/admin_schema.h"
#include "support/test_database.h"

using namespace mimamori;
using store::Migration;

namespace {

const std::vector<Migration> two{{"0001_one", "create table one (id integer);"},
                                 {"0002_two", "create table two (id integer); insert into two values (1);"}};

// An empty database that the owner may migrate; dropped when the object goes.
class EmptyDatabase {
  public:
    EmptyDatabase() {
        REQUIRE(template_.query("create database " + name_ + " owner mimamori_owner").empty());
    }
    ~EmptyDatabase() { template_.query("drop database " + name_ + " with (force)"); }
    EmptyDatabase(const EmptyDatabase&) = delete;
    EmptyDatabase& operator=(const EmptyDatabase&) = delete;
    store::Connection owner() const { return open(template_.login("owner")); }
    store::Connection superuser() const { return open(template_.superuser()); }

  private:
    store::Connection open(store::Login login) const {
        login.database = name_;
        auto connection = store::Connection::open(login);
        REQUIRE(connection);
        return std::move(*connection);
    }
    mutable test::TestDatabase template_;
    std::string name_ = template_.name() + "_empty";
};

bool has_table(store::Connection& connection, const std::string& name) {
    return connection.run_script("select from " + name).has_value();
}

}  // namespace

TEST_CASE("migrations run once, in order, and a second run finds nothing to do") {
    EmptyDatabase database;
    auto owner = database.owner();
    CHECK(store::migrate(owner, {two.begin(), two.begin() + 1}) == std::vector<std::string>{"0001_one"});
    CHECK_FALSE(has_table(owner, "two"));
    CHECK(store::migrate(owner, two) == std::vector<std::string>{"0002_two"});
    CHECK(has_table(owner, "two"));
    CHECK(store::migrate(owner, two) == std::vector<std::string>{});
}

TEST_CASE("a migration that fails leaves nothing of itself, and those before it stand") {
    EmptyDatabase database;
    auto owner = database.owner();
    const auto made = store::migrate(owner, {two[0], {"0002_bad", "create table two (id integer); select 1/0;"}});
    REQUIRE_FALSE(made);
    CHECK(made.error().what.find("0002_bad") != std::string::npos);
    CHECK(has_table(owner, "one"));
    CHECK_FALSE(has_table(owner, "two"));
    CHECK(store::migrate(owner, two) == std::vector<std::string>{"0002_two"});
}

TEST_CASE("a changed, missing or unknown migration is refused by name and nothing is run") {
    EmptyDatabase database;
    auto owner = database.owner();
    REQUIRE(store::migrate(owner, two));
    const std::vector<std::vector<Migration>> others{
        {{"0001_one", "create table one (id bigint);"}, two[1], {"0003_three", "create table three ();"}},
        {two[0]},
        {two[0], {"0002_other", "create table other ();"}, {"0003_three", "create table three ();"}},
    };
    const std::vector<std::string> named{"0001_one was changed", "has migration 0002_two", "has migration 0002_two"};
    for (std::size_t i = 0; i < others.size(); ++i) {
        const auto made = store::migrate(owner, others[i]);
        REQUIRE_FALSE(made);
        CHECK(made.error().kind == base::FailureKind::refused);
        CHECK(made.error().what.find(named[i]) != std::string::npos);
        CHECK_FALSE(has_table(owner, "three"));
    }
}

TEST_CASE("of several that migrate at once one does it and the others find it done") {
    EmptyDatabase database;
    std::vector<std::thread> threads;
    std::atomic<int> made{0}, failed{0};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, owner = std::make_shared<store::Connection>(database.owner())] {
            const auto done = store::migrate(*owner, store::embedded_migrations());
            failed += done ? 0 : 1;
            made += done && !done->empty() ? 1 : 0;
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(failed == 0);
    CHECK(made == 1);
}

TEST_CASE("a service takes its own schema version and the one before, and no other") {
    EmptyDatabase database;
    auto owner = database.owner();
    CHECK_FALSE(store::check_schema_version(owner));  // never migrated
    const auto all = store::embedded_migrations();
    REQUIRE(all.size() >= 3);
    REQUIRE(store::migrate(owner, {all.begin(), all.end() - 2}));
    const auto old = store::check_schema_version(owner);
    REQUIRE_FALSE(old);
    CHECK(old.error().what.find("database migrate") != std::string::npos);
    REQUIRE(store::migrate(owner, {all.begin(), all.end() - 1}));
    CHECK(store::check_schema_version(owner));
    REQUIRE(store::migrate(owner, all));
    CHECK(store::check_schema_version(owner));
    REQUIRE(owner.run_script("insert into schema_migrations (version, sha256) values ('9999_newer', '')"));
    CHECK_FALSE(store::check_schema_version(owner));
}

TEST_CASE("every role can read the schema's version") {
    test::TestDatabase database;
    for (const std::string role : {"gateway", "correlator", "notifier", "fleet", "admin", "portal"}) {
        auto connection = database.connect(role);
        CHECK(store::check_schema_version(connection));
    }
}

TEST_CASE("making a database can be repeated, and names are quoted by the server") {
    test::TestDatabase any;
    auto superuser = store::Connection::open(any.superuser());
    REQUIRE(superuser);
    const auto name = any.name() + "\"; drop table x; --";
    CHECK(store::create_database(*superuser, name, {}) == true);
    CHECK(store::create_database(*superuser, name, {}) == false);
    CHECK(any.integer("select count(*) from pg_database where datname = '" + name + "'") == 1);
    any.query("drop database \"" + any.name() + "\"\"; drop table x; --\"");
}
