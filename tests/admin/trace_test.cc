// One detection followed by any of its three names, from its entry to its mail.
#include <catch2/catch.hpp>

#include "admin/commands.h"
#include "support/test_database.h"

using namespace mimamori;

namespace {

const std::string known = "aaaaaaaa-0000-5000-8000-000000000001";

// One stream with a detection that was mailed (1), one in quarantine (2) and a lost range (3 to 4).
struct Office {
    test::TestDatabase database;
    admin::Context context = make_context();

    Office() {
        const auto tenant = database.make_tenant("a");
        const auto ids = [&](std::int64_t id) { return std::to_string(id); };
        const auto customer = ids(tenant.customer.value), site = ids(tenant.site.value),
                   rental = ids(tenant.rental.value), appliance = ids(tenant.appliance.value);
        database.query(
            "insert into rule_packs (version, effective_from, content, sha256, loaded_by) "
            "values ('2020.1', '2020-04-01', 'x', sha256('x'), 'test')");
        database.query(
            "insert into streams (rental_id, customer_id, lane, spool_id, h_before, next_seq, detections, quarantined, "
            "tombstoned) "
            "values (" +
            rental + ", " + customer +
            ", 0, decode(repeat('01', 16), 'hex'), decode(repeat('00', 16), 'hex'), 5, 1, 1, 2)");
        database.query(
            "insert into findings (customer_id, site_id, rental_id, appliance_id, device_key, class, alert_id, "
            "severity, function, "
            "direction, action, name, source_ip, source_port, destination_ip, destination_port, lan_mac, pack_id, "
            "rule_id, detections, "
            "observed_at, first_observed_at, last_observed_at, last_received_at) select " +
            customer + ", " + site + ", " + rental + ", " + appliance +
            ", 'd', 'remote_control', '2604081039-0001', 3, 1, 2, 1, 'x', '', 0, '', 0, '', id, 'r7', 1, now(), now(), "
            "now(), "
            "now() from rule_packs");
        database.query("insert into detections select now(), '" + known + "', s.id, 1, '', " + customer + ", " + site +
                       ", " + rental + ", " + appliance +
                       ", '2026-04-08 01:39:40+00', '2026-04-08 01:39:41+00', 1, 1, 1, 2, 3, true, p.id, 'r7', "
                       "'remote_control', f.id, '', 0, '', 0, "
                       "'', '', '', E'evil\\nname', '', '', '', '', '', '', '', '', '', '', 0, 'native', 'source-0', "
                       "'the raw line', false "
                       "from streams s, rule_packs p, findings f");
        database.query(
            "insert into quarantine select now(), id, 2, '', customer_id, rental_id, 'quarantined', 1, 'the bytes are "
            "no message', '' from streams");
        database.query(
            "insert into losses (customer_id, rental_id, stream_id, kind, first_seq, last_seq, entries) "
            "select customer_id, rental_id, id, 'tombstone', 3, 4, 2 from streams");
        database.query(
            "insert into digests (customer_id, severity, window_start, window_end, closed_at) "
            "values (" +
            customer + ", 3, '2026-04-08 01:00+00', '2026-04-08 02:00+00', '2026-04-08 02:00:01+00')");
        database.query(
            "insert into mail_items (customer_id, finding_id, severity, kind, detections, first_observed_at, "
            "last_observed_at, digest_id) "
            "select f.customer_id, f.id, 3, 'new', 1, now(), now(), d.id from findings f, digests d");
        database.query(
            "insert into outbox (customer_id, digest_id, address, message_id, mail, state, attempts, data_attempts, "
            "last_reply) "
            "select customer_id, id, 'owner@example.com', 'm1@example.com', '', 'sent', 2, 1, '250 taken' from "
            "digests");
    }

    admin::Context make_context() const {
        const auto login = database.login("admin");
        const std::vector<std::string> sets{"postgres.host=" + login.host,
                                            "postgres.port=" + std::to_string(login.port),
                                            "postgres.database=" + login.database};
        return admin::make_context(platform::Config::load("admin", "", sets, {}).value(), false).value();
    }
    std::string trace(const std::string& id) const {
        const auto out = admin::trace(context, id, 35);
        return out ? *out : "failed: " + out.error().what;
    }
    std::string stream() { return std::to_string(database.integer("select id from streams")); }
};

}  // namespace

TEST_CASE("a detection is found by its id, its place and its アラートID, and its mail with it") {
    Office office;
    for (const auto& id : {known, office.stream() + "/1"}) {
        const auto said = office.trace(id);
        INFO(said);
        for (const std::string& part :
             {"entry       1 of stream " + office.stream(), std::string{"lane urgent"}, "detection   " + known,
              std::string{"observed 2026-04-08T01:39:40.000000Z, corrected 2026-04-08T01:39:41.000000Z, received "},
              std::string{"***, mailed, class remote_control, rule r7 of pack 2020.1"}, std::string{"evil name"},
              std::string{"the raw line"}, std::string{"finding     2604081039-0001"}, std::string{"digest"},
              std::string{"to owner@example.com: sent, 2 attempts (1 reached DATA, 0 in doubt)"},
              std::string{"250 taken"}}) {
            CHECK_THAT(said, Catch::Contains(part));
        }
    }
    const auto by_alert = office.trace("2604081039-0001");
    CHECK_THAT(by_alert, Catch::Contains("finding     2604081039-0001"));
    CHECK_THAT(by_alert, Catch::Contains("entry     " + office.stream() + "/1  " + known));
    CHECK_THAT(by_alert, Catch::Contains("m1@example.com"));
}

TEST_CASE("an entry without a detection says what became of it") {
    Office office;
    CHECK_THAT(office.trace(office.stream() + "/2"),
               Catch::Contains("quarantined received") && Catch::Contains("the bytes are no message"));
    CHECK_THAT(office.trace(office.stream() + "/4"), Catch::Contains("lost        tombstone: entries 3 to 4"));
    CHECK_THAT(office.trace(office.stream() + "/5"), Catch::Contains("not stored: the stream is stored up to 4"));
}

TEST_CASE("what cannot be found says what would be accepted") {
    Office office;
    CHECK_THAT(office.trace("999999/1"), Catch::Contains("there is no stream 999999"));
    CHECK_THAT(office.trace("bbbbbbbb-0000-5000-8000-000000000001"), Catch::Contains("within 35 days"));
    for (const std::string bad : {"", "1/", "/1", "1/x", "1/2/3", "zzzzzzzz-0000-5000-8000-000000000001", "no such"}) {
        CHECK_THAT(office.trace(bad), Catch::Contains("STREAM/SEQUENCE"));
    }
}
