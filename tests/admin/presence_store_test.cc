// Presence rows and the topic's cursor, in one transaction on a real PostgreSQL.
#include <catch2/catch.hpp>

#include "store/fleet_presence.h"
#include "support/test_database.h"

using namespace mimamori;

namespace {

const std::string topic = "mimamori.presence";

store::PresenceRow row_of(const test::Tenant& tenant, char session, bool connected, std::int64_t at_us) {
    store::PresenceRow out;
    out.rental = tenant.rental;
    out.customer = tenant.customer;
    out.appliance = tenant.appliance;
    out.gateway = "gw1";
    out.session_id = std::string(16, session);
    out.connected = connected;
    out.heard_at = base::time_from_us(at_us);
    return out;
}

}  // namespace

TEST_CASE("presence and cursor are written together or not at all") {
    test::TestDatabase database;
    const auto tenant = database.make_tenant("a");
    auto fleet = database.connect("fleet");
    auto row = row_of(tenant, 'a', true, 1000);
    row.agent_version = "1.0";
    row.connected_at_us = 900;
    row.spool_bytes = 5;
    REQUIRE(store::store_presence(fleet, topic, std::vector<store::CursorStep>{{0, -1, 10}}, std::vector{row}));
    CHECK(store::topic_cursors(fleet, topic) == store::TopicCursors{{0, 10}});
    CHECK(database.query("select connected, agent_version, spool_bytes, rejected_lines, to_us(connected_at) from presence") ==
          std::vector<std::vector<std::string>>{{"t", "1.0", "5", "-1", "900"}});

    // From a cursor that is not the stored one: somebody else has read on.
    auto later = row_of(tenant, 'a', false, 2000);
    const auto stale = store::store_presence(fleet, topic, std::vector<store::CursorStep>{{0, 9, 20}}, std::vector{later});
    REQUIRE_FALSE(stale);
    CHECK(stale.error().kind == base::FailureKind::conflict);
    CHECK(database.query("select connected from presence") == std::vector<std::vector<std::string>>{{"t"}});

    // What is not told stays.
    REQUIRE(store::store_presence(fleet, topic, std::vector<store::CursorStep>{{0, 10, 20}}, std::vector{later}));
    CHECK(database.query("select connected, agent_version, spool_bytes, to_us(connected_at), to_us(last_heard_at) from presence") ==
          std::vector<std::vector<std::string>>{{"f", "1.0", "5", "900", "2000"}});
}

TEST_CASE("older news and the end of another session change nothing; unknown rentals are left out") {
    test::TestDatabase database;
    const auto tenant = database.make_tenant("a");
    auto fleet = database.connect("fleet");
    const auto put = [&](const std::vector<store::PresenceRow>& rows) { return store::store_presence(fleet, topic, {}, rows).has_value(); };
    REQUIRE(put({row_of(tenant, 'b', true, 2000)}));
    REQUIRE(put({row_of(tenant, 'a', true, 1000)}));
    REQUIRE(put({row_of(tenant, 'a', false, 3000)}));
    CHECK(database.query("select connected, to_us(last_heard_at) from presence") == std::vector<std::vector<std::string>>{{"t", "2000"}});
    auto stranger = tenant;
    stranger.rental = {tenant.rental.value + 1000};
    REQUIRE(put({row_of(stranger, 'a', true, 1000), row_of(tenant, 'b', false, 4000)}));
    CHECK(database.query("select connected from presence") == std::vector<std::vector<std::string>>{{"f"}});
}

TEST_CASE("two fleet processes do not write one partition at a time") {
    test::TestDatabase database;
    auto one = database.connect("fleet");
    auto two = database.connect("fleet");
    REQUIRE(one.begin());
    REQUIRE(one.run("lock_topic_cursor", store::Params{}.text(topic).integer(0)));
    const auto second = store::store_presence(two, topic, std::vector<store::CursorStep>{{0, -1, 5}}, {});
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == base::FailureKind::conflict);
    CHECK(store::store_presence(two, topic, std::vector<store::CursorStep>{{1, -1, 5}}, {}));
    one.rollback();
    CHECK(store::store_presence(two, topic, std::vector<store::CursorStep>{{0, -1, 5}}, {}));
}

TEST_CASE("an agent's silence raises one alarm, which closes when it is heard or its rental ends") {
    test::TestDatabase database;
    const auto a = database.make_tenant("a"), b = database.add_appliance(a);
    (void)database.add_appliance(a);  // never heard of
    auto fleet = database.connect("fleet");
    const auto heard = [&](const test::Tenant& who, std::int64_t at_us) {
        REQUIRE(store::store_presence(fleet, topic, {}, std::vector{row_of(who, 'a', true, at_us)}));
    };
    const auto raise = [&](std::int64_t before_us) {
        return store::raise_silent_agents(fleet, "agent_silent", base::time_from_us(before_us)).value();
    };
    const auto open = [&] {
        return database.query("select subject, count from alarms where closed_at is null order by subject");
    };
    using Rows = std::vector<std::vector<std::string>>;
    const auto subject = [](const test::Tenant& who) { return "rental " + std::to_string(who.rental.value); };

    CHECK_FALSE(
        store::raise_silence_of_all(fleet, "agent_silent", "every agent", "x").value());  // nobody was ever heard of
    heard(a, 1'000'000);
    heard(b, 5'000'000);
    const auto raised = raise(5'000'000);
    REQUIRE(raised.size() == 1);
    CHECK(raised[0].subject == subject(a));
    CHECK(raised[0].detail.find("was last heard of at 1970-01-01T00:00:01Z through gw1") != std::string::npos);
    CHECK(raise(5'000'000).empty());
    CHECK(open() == Rows{{subject(a), "1"}});

    CHECK(store::raise_silence_of_all(fleet, "agent_silent", "every agent", "x").value());
    REQUIRE(store::close_heard_agents(fleet, "agent_silent", "every agent", base::time_from_us(5'000'000)));
    CHECK(open() == Rows{{"every agent", "1"}, {subject(a), "1"}});
    heard(a, 6'000'000);
    REQUIRE(store::close_heard_agents(fleet, "agent_silent", "every agent", base::time_from_us(5'000'000)));
    CHECK(open() == Rows{{"every agent", "1"}});

    CHECK(raise(9'000'000).size() == 2);
    database.query("update rentals set ends_at = now() where id = " + std::to_string(b.rental.value));
    REQUIRE(store::close_heard_agents(fleet, "agent_silent", "every agent", base::time_from_us(9'000'000)));
    CHECK(open() == Rows{{"every agent", "1"}, {subject(a), "1"}});
}
