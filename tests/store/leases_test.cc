// Who owns a partition: by PostgreSQL's clock alone, fenced by a random epoch.
#include <libpq-fe.h>

#include <memory>

#include <catch2/catch.hpp>

#include "store/admin_records.h"
#include "store/correlator_leases.h"
#include "store/correlator_store.h"
#include "support/test_database.h"

using namespace mimamori;
using store::Lease;
using std::chrono::milliseconds;

namespace {

struct Leases {
    Leases() {
        auto admin = database.connect("admin");
        REQUIRE(store::make_log_partitions(admin, 3));
    }
    test::TestDatabase database;
    store::Connection one = database.connect("correlator"), two = database.connect("correlator");
};

Lease lease(std::int32_t partition, milliseconds length = std::chrono::minutes{10}) {
    return {partition, base::random_bytes16(), length};
}

}  // namespace

TEST_CASE("a partition that is held is not taken; one that is given back or has run out is") {
    Leases l;
    const auto first = lease(1);
    CHECK(store::take_lease(l.one, first, "one") == true);
    CHECK(store::take_lease(l.two, lease(1), "two") == false);
    CHECK(store::take_lease(l.two, lease(2), "two") == true);
    const auto table = store::read_leases(l.one);
    REQUIRE(table);
    REQUIRE(table->partitions.size() == 3);
    CHECK(table->partitions[0].holder.empty());
    CHECK(table->partitions[1].holder == "one");
    CHECK(table->partitions[2].holder == "two");
    REQUIRE(store::release_lease(l.one, first));
    const auto second = lease(1);
    CHECK(store::take_lease(l.two, second, "two") == true);

    l.database.query("update log_partitions set lease_until = clock_timestamp() - interval '1 ms' where partition = 1");
    CHECK(store::renew_lease(l.two, second));  // late, but nobody came: it is still ours
    l.database.query("update log_partitions set lease_until = clock_timestamp() - interval '1 ms' where partition = 1");
    CHECK(store::take_lease(l.one, lease(1), "one") == true);
    const auto renewed = store::renew_lease(l.two, second);
    REQUIRE_FALSE(renewed);
    CHECK(renewed.error().kind == base::FailureKind::conflict);
    CHECK(store::fence(l.two, second, {{1, 5}, std::nullopt}).value() == std::nullopt);
    CHECK(store::release_lease(l.two, second));  // not ours any more: changes nothing
    CHECK(l.database.query("select holder, next_offset from log_partitions where partition = 1")[0] == std::vector<std::string>{"one", "0"});
}

TEST_CASE("a partition whose row is locked in a transaction is not waited for, even after its lease has run out") {
    Leases l;
    const auto held = lease(0);
    REQUIRE(store::take_lease(l.one, held, "one") == true);
    REQUIRE(l.one.begin());
    REQUIRE(store::fence(l.one, {held.partition, held.epoch, milliseconds{1}}, {{1, 1}, std::nullopt}).value());
    l.database.query("select pg_sleep(0.01)");
    CHECK(store::take_lease(l.two, lease(0), "two") == false);
    REQUIRE(l.one.commit());
    CHECK(store::take_lease(l.two, lease(0), "two") == true);
}

TEST_CASE("a correlator that hangs in the middle of a COPY loses its session, and another takes the partition") {
    Leases l;
    const auto held = lease(0, milliseconds{1});
    REQUIRE(store::take_lease(l.one, held, "one") == true);
    REQUIRE(l.one.begin());
    REQUIRE(store::fence(l.one, held, {{1, 1}, std::nullopt}).value());
    l.database.query("select pg_sleep(0.01)");
    const auto hanging =
        std::unique_ptr<PGresult, decltype(&PQclear)>{PQexec(l.one.raw(), "copy detections (id) from stdin"), &PQclear};
    REQUIRE(PQresultStatus(hanging.get()) == PGRES_COPY_IN);
    CHECK(store::take_lease(l.two, lease(0), "two") == false);
    CHECK(store::end_hanging(l.two, 0, std::chrono::minutes{10}) == false);  // may still be at work
    CHECK(store::end_hanging(l.two, 1, milliseconds{0}) == false);           // nobody's
    const auto soon = [](const auto& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (!condition() && std::chrono::steady_clock::now() < deadline) {
        }
    };
    base::Expected<bool> ended = false, taken = false;
    soon([&] { return (ended = store::end_hanging(l.two, 0, milliseconds{0})) != false; });
    CHECK(ended == true);
    soon([&] { return (taken = store::take_lease(l.two, lease(0), "two")) != false; });
    CHECK(taken == true);
    CHECK(store::end_hanging(l.two, 0, milliseconds{0}) == false);  // held, not hanging
}

TEST_CASE("correlators that live are counted by their sessions, also those that hold nothing") {
    Leases l;
    CHECK(store::read_leases(l.one)->live_correlators == 0);
    CHECK(store::announce_correlator(l.one, 7) == true);
    CHECK(store::announce_correlator(l.two, 7) == false);  // taken: another number
    CHECK(store::announce_correlator(l.two, 8) == true);
    CHECK(store::read_leases(l.one)->live_correlators == 2);
    {
        auto third = l.database.connect("correlator");
        CHECK(store::announce_correlator(third, 9) == true);
        CHECK(store::read_leases(l.one)->live_correlators == 3);
    }
    while (store::read_leases(l.one)->live_correlators != 2) {  // the server notices the closed session
    }
}

TEST_CASE("the fence moves the position with the transaction or not at all, and tells generation and newest pack") {
    Leases l;
    const auto mine = lease(0);
    REQUIRE(store::take_lease(l.one, mine, "one") == true);
    const auto record = base::random_bytes16();
    REQUIRE(l.one.begin());
    const auto fenced = store::fence(l.one, mine, {{4, 17}, record});
    REQUIRE(fenced);
    REQUIRE(*fenced);
    CHECK((*fenced)->newest_pack == 0);
    CHECK((*fenced)->generation == store::read_leases(l.two)->generation);
    l.one.rollback();
    CHECK(store::read_position(l.one, mine)->position == domain::delivery::LogPosition{1, 0});
    CHECK_FALSE(store::read_position(l.one, mine)->last_record);
    REQUIRE(l.one.begin());
    REQUIRE(store::fence(l.one, mine, {{4, 17}, record}));
    REQUIRE(l.one.commit());
    CHECK(store::read_position(l.one, mine)->position == domain::delivery::LogPosition{4, 17});
    CHECK(store::read_position(l.one, mine)->last_record == record);
}

TEST_CASE("a correlator that hangs is not counted as alive for longer than its session may be idle") {
    Leases l;
    auto login = l.database.login("correlator");
    login.idle_session_timeout_ms = 100;
    auto hanging = store::Connection::open(login);
    REQUIRE(hanging);
    REQUIRE(store::announce_correlator(*hanging, 1).value());
    REQUIRE(store::announce_correlator(l.one, 2).value());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (store::read_leases(l.one)->live_correlators != 1 && std::chrono::steady_clock::now() < deadline) {
    }
    CHECK(store::read_leases(l.one)->live_correlators == 1);
    CHECK_FALSE(store::read_leases(*hanging));  // and it learns of it at its next look
}

TEST_CASE("what one partition lists as unknown does not make another partition wait") {
    Leases l;
    const std::vector<store::UnknownName> names{{domain::Function::ips, domain::Direction::inbound_attack, "a name", {}, {}, 1}};
    // A hang would say so.
    l.database.query("do $$ begin execute format('alter database %I set lock_timeout = %L', current_database(), '5s'); end $$");
    auto other = l.database.connect("correlator");
    REQUIRE(l.one.begin());
    CHECK(store::add_unknown(l.one, 0, names, 1) == 0);
    REQUIRE(other.begin());
    CHECK(store::add_unknown(other, 1, names, 1) == 0);
    REQUIRE(other.commit());
    REQUIRE(l.one.commit());
    CHECK(l.database.query("select sum(count), count(*) from unknown_signatures")[0] == std::vector<std::string>{"2", "2"});
}
