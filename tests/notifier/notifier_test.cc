// Closing hours and sending, on a real database: nothing is missed, and double only where the rules allow it.
#include <catch2/catch.hpp>

#include "notifier/events.h"
#include "notifier/operator_mail.h"
#include "notifier/scripted_relay.h"
#include "notifier/service.h"

using namespace mimamori;
using namespace std::chrono_literals;
using test::Service;
using test::ten;

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
