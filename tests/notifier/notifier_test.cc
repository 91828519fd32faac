// Closing hours and sending, on a real database: nothing is missed, and double only where the rules allow it.
#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/text.h"
#include "notifier/closer.h"
#include "notifier/events.h"
#include "notifier/operator_mail.h"
#include "notifier/scripted_relay.h"
#include "notifier/sender.h"
#include "platform/metrics.h"
#include "support/test_database.h"

using namespace mimamori;
using namespace std::chrono_literals;

namespace {

std::string read_file(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

std::string quoted(const std::string& text) {
    return "$mimamori$" + text + "$mimamori$";
}

// A customer with a desk, packs, mail texts and one recipient, and a way to make news.
struct Service {
    explicit Service(const std::string& label = "みほん") : tenant{database.make_tenant(label)}, connection{database.connect("notifier")} {
        settings.login = database.login("notifier");
        settings.window = 1h;
        settings.from_address = "soc@example.com";
        settings.bounce_address = "bounce@example.com";
        settings.operator_address = "operator@example.com";
        settings.message_id_domain = "example.com";
        settings.relay.starttls = false;
        settings.relay.total_timeout_ms = 1000;
        database.query("insert into desks select id, '2020-01-01', 'サイバーお助け隊', 'Cyber Otasuketai', '監視センター', 'Centre', "
                       "'0120-000-000', '平日9時から18時', 'weekdays', 'desk@example.com', '24時間', 'any time', 'https://portal.example.com' "
                       "from operators");
        load("rule_packs", MIMAMORI_SOURCE_DIR "/packs/mimamori-2020.yaml");
        load("mail_texts", MIMAMORI_SOURCE_DIR "/packs/mail-texts-2026.yaml");
        add_recipient("owner@example.jp");
    }

    void load(const std::string& table, const std::string& file) {
        database.query(fmt::format("insert into {0} (version, effective_from, content, sha256, loaded_by) "
                                   "select '{0}', '2020-01-01', {1}, sha256(convert_to({1}, 'UTF8')), 'test'",
                                   table, quoted(read_file(file))));
    }

    void add_recipient(const std::string& address, const std::string& language = "ja") {
        database.query(fmt::format("insert into recipients (customer_id, address, language) values ({}, '{}', '{}')", tenant.customer.value,
                                   address, language));
    }

    // A finding with one open mail item of this severity; classes are those of the shipped pack.
    std::int64_t news(int severity, const std::string& alert_id) {
        const auto finding = database.integer(fmt::format(
            "insert into findings (customer_id, site_id, rental_id, appliance_id, device_key, class, alert_id, severity, function, direction, "
            "action, name, source_ip, source_port, destination_ip, destination_port, lan_mac, pack_id, rule_id, detections, observed_at, "
            "first_observed_at, last_observed_at, last_received_at) "
            "select {}, {}, {}, {}, 'device {}', '{}', '{}', {}, 1, 2, 1, 'JSIG-RAT GHOST-Activity-9', '192.0.2.23', 49731, '203.0.113.45', 443, "
            "'00-00-5E-00-53-17', min(id), 'r', 1, now(), now(), now(), now() from rule_packs returning id",
            tenant.customer.value, tenant.site.value, tenant.rental.value, tenant.appliance.value, alert_id, "remote_control", alert_id, severity));
        database.query(fmt::format("insert into mail_items (customer_id, finding_id, severity, kind, detections, first_observed_at, last_observed_at) "
                                   "values ({}, {}, {}, 'new', 1, now(), now())",
                                   tenant.customer.value, finding, severity));
        return finding;
    }

    // A stream of this lane with one loss that no mail has told.
    void lose(int lane, int entries, const std::string& kind = "tombstone") {
        database.query(
            fmt::format("with s as (insert into streams (rental_id, customer_id, lane, spool_id, h_before) "
                        "select {0}, {1}, {2}, decode(md5(random()::text), 'hex'), decode(md5(random()::text), 'hex') "
                        "returning id) "
                        "insert into losses (customer_id, rental_id, stream_id, kind, first_seq, last_seq, entries, "
                        "at_least, oldest_observed_at, newest_observed_at) "
                        "select {1}, {0}, id, '{4}', 1, {3}, {3}, '{4}' = 'fork', '2026-04-08 09:12:05+09', "
                        "'2026-04-08 10:39:40+09' from s",
                        tenant.rental.value, tenant.customer.value, lane, entries, kind));
    }

    base::Expected<int> close(base::Time now) { return notifier::Closer{connection, settings, events}.close_due(now); }

    base::Expected<bool> send(int port) {
        settings.relay.port = port;
        return notifier::Sender{connection, settings, events}.send_one();
    }

    std::int64_t count(const std::string& table_and_condition) { return database.integer("select count(*) from " + table_and_condition); }

    test::TestDatabase database;
    test::Tenant tenant;
    store::Connection connection;
    notifier::Settings settings;
    platform::Metrics metrics;
    platform::Events events{"notifier", metrics};
};

const base::Time ten = *base::parse_timestamp("2026-04-08T10:00:00+09:00");

}  // namespace

TEST_CASE("an hour becomes one mail per customer, severity and recipient") {
    Service service;
    service.add_recipient("boss@example.jp", "en");
    REQUIRE(service.close(ten + 5min) == 0);
    service.news(3, "1-0001");
    service.news(1, "1-0002");
    service.news(1, "1-0003");
    CHECK(service.close(ten + 59min) == 0);
    CHECK(service.close(ten + 60min) == 2);
    CHECK(service.count("digests") == 2);
    CHECK(service.count("outbox") == 4);
    CHECK(service.count("mail_items where digest_id is null") == 0);
    CHECK(service.close(ten + 61min) == 0);
    service.news(1, "1-0004");  // late: the next hour's mail
    CHECK(service.close(ten + 90min) == 0);
    CHECK(service.close(ten + 120min) == 1);
}

TEST_CASE("three stars leave at once where the customer wants it so, other severities wait") {
    Service service;
    service.database.query("update customers set three_stars_at_once = true");
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    service.news(2, "1-0002");
    CHECK(service.close(ten + 1min) == 1);
    CHECK(service.count("digests where at_once and severity = 3") == 1);
}

TEST_CASE("a customer without a recipient keeps its news, and an alarm says so until there is one") {
    Service service;
    service.database.query("delete from recipients");
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    CHECK(service.close(ten + 60min) == 0);
    CHECK(service.count("mail_items where digest_id is null") == 1);
    CHECK(service.count("digests") == 0);
    CHECK(service.count("alarms where kind = 'digest_without_recipient' and closed_at is null") == 1);
    service.add_recipient("owner@example.jp");
    CHECK(service.close(ten + 120min) == 1);
    CHECK(service.count("alarms where kind = 'digest_without_recipient' and closed_at is null") == 0);
}

TEST_CASE("a recipient whose end has come gets no further mail") {
    Service service;
    service.add_recipient("former@example.jp");
    service.database.query(
        "update recipients set ends_at = '2026-04-08 11:30:00+09' where address = 'former@example.jp'");
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    REQUIRE(service.close(ten + 60min) == 1);
    CHECK(service.count("outbox where address = 'former@example.jp'") == 1);
    service.news(3, "1-0002");
    REQUIRE(service.close(ten + 120min) == 1);
    CHECK(service.count("outbox where address = 'former@example.jp'") == 1);
    CHECK(service.count("outbox where address = 'owner@example.jp'") == 2);
}

TEST_CASE("one customer's broken mail does not keep the others waiting") {
    Service service;
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    service.database.query("update findings set class = 'no_such_class'");
    service.news(2, "1-0002");
    CHECK(service.close(ten + 60min) == 1);
    CHECK(service.count("alarms where kind = 'digest_failed'") == 1);
    CHECK(service.count("mail_items where digest_id is null") == 1);
}

TEST_CASE("a mail the relay takes is sent once and never again") {
    Service service;
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    REQUIRE(service.close(ten + 60min) == 1);
    test::ScriptedRelay relay;
    CHECK(service.send(relay.port()) == true);
    CHECK(service.send(relay.port()) == false);
    CHECK(relay.mails_taken() == 1);
    CHECK(service.count("outbox where state = 'sent' and data_attempts = 1 and in_doubt = 0") == 1);
    CHECK(relay.last_mail().find("Auto-Submitted: auto-generated") != std::string::npos);
}

TEST_CASE("a relay that is down costs no attempt at DATA, and the mail stays due") {
    Service service;
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    REQUIRE(service.close(ten + 60min) == 1);
    test::ScriptedRelay busy{{{"greeting", "421 busy"}}};
    CHECK(service.send(busy.port()) == true);
    CHECK(service.count("outbox where state = 'pending' and attempts = 1 and data_attempts = 0 and next_attempt_at > now()") == 1);
}

TEST_CASE("a lost reply is tried at most five times, and the fifth failure is an alarm") {
    Service service;
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    REQUIRE(service.close(ten + 60min) == 1);
    test::ScriptedRelay dropping{{{".", "drop"}}};
    for (int attempt = 1; attempt <= 6; ++attempt) {
        service.database.query("update outbox set next_attempt_at = now()");
        CHECK(service.send(dropping.port()) == (attempt <= 5));
    }
    CHECK(dropping.mails_taken() == 5);
    CHECK(service.count("outbox where state = 'failed' and data_attempts = 5 and in_doubt = 5") == 1);
    CHECK(service.count("alarms where kind = 'mail_given_up'") == 1);
}

TEST_CASE("a notifier killed while it spoke to the relay leaves a doubt that counts") {
    Service service;
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    REQUIRE(service.close(ten + 60min) == 1);
    store::NotifierStore store{service.connection};
    for (int killed = 1; killed <= 5; ++killed) {
        REQUIRE(store.claim_mail(60'000)->has_value());
        CHECK_FALSE(store.claim_mail(60'000)->has_value());  // nobody else takes it while the lease runs
        service.database.query("update outbox set next_attempt_at = now()");
    }
    test::ScriptedRelay relay;
    CHECK(service.send(relay.port()) == false);
    CHECK(service.count("outbox where state = 'failed'") == 1);
    CHECK(service.count("alarms where kind = 'mail_given_up'") == 1);
}

TEST_CASE("open alarms reach the operator in one mail, once") {
    Service service;
    service.database.query("select raise_alarm('relay_slow', 'relay', '<b>x'), raise_alarm('mail_given_up', 'mail 1', 'y')");
    CHECK(notifier::mail_open_alarms(service.connection, service.settings, ten) == true);
    CHECK(notifier::mail_open_alarms(service.connection, service.settings, ten) == false);
    CHECK(service.count("outbox where customer_id is null and address = 'operator@example.com'") == 1);
}

TEST_CASE("only one notifier closes hours, and the next takes over when it goes") {
    Service service;
    auto second = service.database.connect("notifier");
    CHECK(store::NotifierStore{service.connection}.lead() == true);
    CHECK(store::NotifierStore{second}.lead() == false);
    service.connection = service.database.connect("notifier");
    // The server notices the closed session in its own time; the lock is free when it has.
    for (int tries = 0; tries < 1000 && *store::NotifierStore{second}.lead() == false; ++tries) {
        (void)second.wait_for_notification(10);
    }
    CHECK(store::NotifierStore{second}.lead() == true);
}

TEST_CASE("what was lost in an hour is told in one mail of its own, exactly and once") {
    Service service;
    service.add_recipient("boss@example.jp", "en");
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    service.lose(1, 100);
    service.lose(1, 25);
    service.lose(0, 2, "fork");
    service.lose(2, 40);
    CHECK(service.close(ten + 59min) == 0);
    CHECK(service.close(ten + 60min) == 2);
    CHECK(service.count("digests where kind = 'losses' and severity is null") == 1);
    CHECK(service.count("losses where digest_id is null") == 0);
    CHECK(service.count("losses join digests d on d.id = digest_id where d.kind = 'losses'") == 4);
    CHECK(service.count("outbox o join digests d on d.id = o.digest_id where d.kind = 'losses'") == 2);
    CHECK(service.count("alarms where kind = 'losses_told' and closed_at is null and detail like '%at least 127 "
                        "detections, 2 urgent; % 40 counts of blocks, 0 urgent'") == 1);
    service.lose(1, 5);  // late: the next hour's mail
    CHECK(service.close(ten + 61min) == 0);
    CHECK(service.close(ten + 120min) == 1);
    CHECK(service.close(ten + 180min) == 0);
    CHECK(service.count("digests where kind = 'losses'") == 2);
}

TEST_CASE("three stars at once take no losses along; they wait for the hour") {
    Service service;
    service.database.query("update customers set three_stars_at_once = true");
    REQUIRE(service.close(ten) == 0);
    service.news(3, "1-0001");
    service.lose(1, 5);
    CHECK(service.close(ten + 1min) == 1);
    CHECK(service.count("losses where digest_id is null") == 1);
}

TEST_CASE("losses that cannot be mailed wait, with an alarm, and keep no findings waiting") {
    Service service;
    // Texts as they were before there was a mail about losses.
    service.database.query("update mail_texts set content = regexp_replace(content, '\n  loss_subject_ja:.*', '')");
    REQUIRE(service.close(ten) == 0);
    service.news(2, "1-0001");
    service.lose(1, 5);
    CHECK(service.close(ten + 60min) == 1);
    CHECK(service.count("losses where digest_id is null") == 1);
    CHECK(service.count(
              "alarms where kind = 'digest_failed' and closed_at is null and detail like '%loss_subject_ja%'") == 1);
    CHECK(service.count("alarms where kind = 'losses_told'") == 0);
    service.database.query("delete from mail_texts");
    service.load("mail_texts", MIMAMORI_SOURCE_DIR "/packs/mail-texts-2026.yaml");
    CHECK(service.close(ten + 120min) == 1);
    CHECK(service.count("alarms where kind = 'digest_failed' and closed_at is null") == 0);
}
