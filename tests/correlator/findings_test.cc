// Which detections become one finding, and what of it is news for the customer.
#include <catch2/catch.hpp>

#include <thread>

#include "correlator/fixture.h"
#include "store/notifier_store.h"

using namespace mimamori;
using namespace mimamori::test;
using delivery::CommitEnd;
using Lines = std::vector<std::string>;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

constexpr auto items = "select f.device_key, m.severity, m.kind, m.detections, m.digest_id is null from mail_items m join findings f on f.id = m.finding_id order by m.id";

// As the notifier closes an hour: the open items of one severity.
void close_hour(Fixture& f, store::Connection& notifier, domain::Severity severity) {
    const auto now = base::from_civil_utc({2026, 4, 8, 2, 0, 0, 0});
    must(notifier.begin());
    must(store::NotifierStore{notifier}.close_digest({f.tenant.customer, severity}, now, now, now, false));
    must(notifier.commit());
}

}  // namespace

TEST_CASE("detections of one device and class are one finding until 24 h after the last one") {
    Fixture f;
    LogMaker agent{f.tenant};
    const auto send = [&](const detection::v1::Detection& detection) {
        agent.add(detection);
        f.commit({agent.batch(agent.last(), agent.last())});
    };
    send(remote_control(1));
    agent.received += hours{23};
    send(remote_control(1));
    send(remote_control(2));  // another device
    agent.received += hours{24};
    send(remote_control(1));  // exactly 24 h after: joins
    agent.received += hours{24} + minutes{1};
    send(remote_control(1));  // a new one
    CHECK(f.rows("select device_key, split_part(alert_id, '-', 2), detections from findings order by id") ==
          Lines{"192.168.1.1|0001|3", "192.168.1.2|0002|1", "192.168.1.1|0003|1"});
    CHECK(f.rows("select finding_id - (select min(id) from findings) from detections order by seq") == Lines{"0", "0", "1", "0", "2"});
}

TEST_CASE("another customer's device with the same address is another finding, and numbers count for each customer") {
    Fixture f;
    LogMaker one{f.tenant}, two{f.database.make_tenant("two")};
    one.add(remote_control(1));
    two.add(remote_control(1));
    f.commit({one.everything(), two.everything()});
    CHECK(f.rows("select split_part(alert_id, '-', 2), detections from findings") == Lines{"0001|1", "0001|1"});
}

TEST_CASE("no star: a row in the log and nothing for the customer") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(attack(1));
    f.commit({agent.everything()});
    CHECK(f.rows("select severity, mailable, finding_id from detections") == Lines{"0|f|"});
    CHECK(f.count("findings") == 0);
    CHECK(f.count("mail_items") == 0);
    CHECK(f.count("customer_counters") == 0);
}

TEST_CASE("news of an hour are one item; after the hour is closed one more says that it continues") {
    Fixture f;
    auto notifier = f.database.connect("notifier");
    LogMaker agent{f.tenant};
    agent.add(remote_control(1));
    agent.add(remote_control(1));
    f.commit({agent.everything()});
    agent.add(remote_control(1));
    f.commit({agent.batch(3, 3)});
    CHECK(f.rows(items) == Lines{"192.168.1.1|3|new|3|t"});
    close_hour(f, notifier, domain::Severity::three_stars);
    agent.add(remote_control(1));
    agent.add(remote_control(1));
    f.commit({agent.batch(4, 5)});
    CHECK(f.rows(items) == Lines{"192.168.1.1|3|new|3|f", "192.168.1.1|3|continues|2|t"});
    CHECK(f.rows("select detections from findings") == Lines{"5"});
}

TEST_CASE("a higher severity raises the finding, with the details of the detection that did it, and adds an item") {
    Fixture f;
    // A class whose severity depends on the direction of the very same name: remote control going out is three stars,
    // of unknown direction two.
    LogMaker agent{f.tenant};
    auto unknown = remote_control(1);
    unknown.set_source_ip("198.51.100.1");
    unknown.set_lan_mac("00-00-5E-00-53-01");
    auto outgoing = remote_control(1);
    outgoing.set_lan_mac("00:00:5e:00:53:01");
    agent.add(unknown);
    agent.add(unknown);
    f.commit({agent.everything()});
    CHECK(f.rows("select severity, source_ip from findings") == Lines{"2|198.51.100.1"});
    agent.add(outgoing);
    agent.add(unknown);  // joins as one of the raised finding
    f.commit({agent.batch(3, 4)});
    CHECK(f.rows("select severity, source_ip, direction, detections, rule_id from findings") ==
          Lines{"3|192.168.1.1|2|4|jsig-rat-ghost-activity-9"});
    CHECK(f.rows(items) == Lines{"00-00-5E-00-53-01|2|new|2|t", "00-00-5E-00-53-01|3|raised|2|t"});
}

TEST_CASE("the same order of the log makes the same findings and news however it is cut into transactions") {
    const auto fill = [](LogMaker& agent) {
        for (int i = 0; i < 30; ++i) {
            auto unknown = remote_control(i % 3);
            unknown.set_source_ip("198.51.100.1");
            unknown.set_lan_mac("00-00-5E-00-53-0" + std::to_string(i % 3));
            auto outgoing = remote_control(i % 3);
            outgoing.set_lan_mac("00-00-5E-00-53-0" + std::to_string(i % 3));
            agent.add(i % 5 == 4 ? outgoing : unknown);
            agent.add(i % 2 == 0 ? dangerous_site(i % 3) : virus_sent(i % 3));
        }
    };
    Fixture whole;
    LogMaker agent{whole.tenant};
    fill(agent);
    whole.commit({agent.everything()});
    REQUIRE(whole.count("findings where class = 'several_signs'") == 3);
    for (const delivery::Seq cut : {1U, 7U, 59U}) {
        Fixture f;
        for (delivery::Seq first = 1; first <= agent.last(); first += cut) {
            f.commit({agent.batch(first, std::min(agent.last(), first + cut - 1))});
        }
        CHECK(f.written() == whole.written());
    }
}

TEST_CASE("news that come while an hour closes are in its digest or in the next one, never lost, never in both") {
    Fixture f;
    auto notifier = f.database.connect("notifier");
    LogMaker agent{f.tenant};
    agent.add(remote_control(1));
    f.commit({agent.everything()});

    SECTION("the notifier took the item and has not committed: the correlator waits, then opens the next one") {
        const auto now = agent.received;
        must(notifier.begin());
        REQUIRE(must(store::NotifierStore{notifier}.close_digest({f.tenant.customer, domain::Severity::three_stars}, now, now, now, false)).items == 1);
        agent.add(remote_control(1));
        std::thread correlating{[&] { f.commit({agent.batch(2, 2)}); }};
        while (f.count("pg_stat_activity where usename = 'mimamori_correlator' and wait_event_type = 'Lock'") == 0) {
            std::this_thread::yield();
        }
        SECTION("it commits") {
            must(notifier.commit());
            correlating.join();
            CHECK(f.rows(items) == Lines{"192.168.1.1|3|new|1|f", "192.168.1.1|3|continues|1|t"});
        }
        SECTION("it fails, and the hour stays open") {
            notifier.rollback();
            correlating.join();
            CHECK(f.rows(items) == Lines{"192.168.1.1|3|new|2|t"});
        }
    }
    SECTION("the correlator has not committed: the notifier takes what is, and the news stay for the next hour") {
        LogMaker second{f.tenant};
        second.add(remote_control(2));
        auto writer = f.database.connect("correlator");
        must(writer.begin());
        const auto finding = base::FindingId{f.database.integer("select id from findings")};
        must(store::add_mail_items(writer, {{f.tenant.customer, finding, domain::Severity::two_stars, domain::MailItemKind::new_finding,
                                             {1, agent.received, agent.received, agent.received}}}));
        close_hour(f, notifier, domain::Severity::three_stars);
        close_hour(f, notifier, domain::Severity::two_stars);
        must(writer.commit());
        CHECK(f.rows(items) == Lines{"192.168.1.1|3|new|1|f", "192.168.1.1|2|new|1|t"});
    }
}

TEST_CASE("two kinds of serious signs on one device within the window make a finding of three stars, in any order") {
    for (const bool turned : {false, true}) {
        Fixture f;
        LogMaker agent{f.tenant};
        const auto observed = [&](detection::v1::Detection detection, hours before) {
            detection.set_observed_at_us(base::to_us(agent.received - before));
            return detection;
        };
        const auto first = observed(dangerous_site(1), turned ? hours{1} : hours{20});
        const auto second = observed(virus_sent(1), turned ? hours{20} : hours{1});
        agent.add(first);
        agent.add(first);
        agent.add(observed(virus_sent(2), hours{1}));  // another device
        f.commit({agent.everything()});
        CHECK(f.count("findings where class = 'several_signs'") == 0);
        f.restart();
        agent.add(second);
        f.commit({agent.batch(4, 4)});
        CHECK(f.rows("select device_key, severity, detections, rule_id from findings where class = 'several_signs'") ==
              Lines{"192.168.1.1|3|1|several_signs"});
        CHECK(f.count("mail_items where severity = 3 and kind = 'new'") == 1);
        f.commit({agent.batch(1, 4)});
        CHECK(f.rows("select detections from findings where class = 'several_signs'") == Lines{"1"});
        CHECK(f.count("device_signs") == 3);
    }
}

TEST_CASE("signs further apart than the window, or on devices nobody can tell apart, are no several signs") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(dangerous_site(1));
    f.commit({agent.everything()});
    agent.received += hours{25};
    agent.add(virus_sent(1));
    f.commit({agent.batch(2, 2)});
    auto nobody = dangerous_site(1);
    nobody.set_source_ip("");
    agent.add(nobody);
    f.commit({agent.batch(3, 3)});
    CHECK(f.count("findings where class = 'several_signs'") == 0);
    CHECK(f.count("device_signs where device_key = 'unknown'") == 0);
}

TEST_CASE("receive time picks the rule pack, from the moment the pack is stored") {
    Fixture f;
    LogMaker agent{f.tenant};
    const auto switch_at = agent.received + hours{2};
    // In the later version table 3-7 is the mail policy: inbound viruses of one star are not mailed.
    auto later = replaced(shipped_pack(), "version: mimamori-2020.1", "version: mimamori-2026.1");
    later = replaced(later, "mail_policy: table_4_21", "mail_policy: table_3_7");
    later = replaced(later, "effective_from: 2020-04-01T00:00:00+09:00", "effective_from: " + base::format_rfc3339(switch_at));
    {
        auto admin = f.database.connect("admin");
        must(store::add_rule_pack(admin, "2026.1", switch_at, later, "test"));
    }
    agent.add(virus_received(1));
    // Stored, but the worker has not read it yet: it must not judge without it.
    const auto early = f.apply({agent.everything()});
    CHECK(early.end == CommitEnd::failed);
    CHECK(early.newer_pack);
    CHECK(f.count("detections") == 0);
    must(f.packs.refresh(f.connection, agent.received));

    f.commit({agent.everything()});
    agent.received = switch_at - std::chrono::microseconds{1};
    agent.add(virus_received(2));
    const auto last_of_old = agent.batch(2, 2);
    agent.received = switch_at;
    agent.add(virus_received(3));
    f.commit({last_of_old, agent.batch(3, 3)});
    agent.received = switch_at - hours{1};  // late through another gateway
    agent.add(virus_received(4));
    f.commit({agent.batch(4, 4)});
    CHECK(f.rows("select d.seq, p.version, d.mailable from detections d join rule_packs p on p.id = d.pack_id order by seq") ==
          Lines{"1|2020.1|t", "2|2020.1|t", "3|2026.1|f", "4|2020.1|t"});
    CHECK(f.count("mail_items") == 3);
    CHECK(f.count("findings") == 4);
}

TEST_CASE("without a rule pack in force detections wait and nothing is dropped; blocks need none") {
    Fixture f{{}, false};
    LogMaker agent{f.tenant}, rollup{f.tenant, delivery::Lane::rollup};
    rollup.add(block("host", 1));
    f.commit({rollup.everything()});
    agent.add(remote_control(1));
    const auto applied = f.apply({agent.everything()});
    CHECK(applied.end == CommitEnd::failed);
    REQUIRE(applied.missing_pack);
    CHECK(applied.missing_pack->why == correlator::PackSet::Why::none_in_force);
    CHECK(f.rows("select next_offset from log_partitions where partition = 0") == Lines{"1"});
    f.load_pack(shipped_pack(), "2020.1", base::from_civil_utc({2020, 3, 31, 15, 0, 0, 0}));
    f.commit({agent.everything()});
    CHECK(f.count("findings") == 1);
}

TEST_CASE("a pack that cannot be used is told, and what it would judge waits") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(remote_control(1));
    f.load_pack("pack: [", "broken", agent.received);
    const auto applied = f.apply({agent.everything()});
    REQUIRE(applied.missing_pack);
    CHECK(applied.missing_pack->why == correlator::PackSet::Why::unusable);
    CHECK(f.rows("select kind from alarms") == Lines{"rule_pack_unusable"});
    CHECK(f.count("detections") == 0);
}

TEST_CASE("a pack of the past is compiled when a log that is read again asks for it") {
    Fixture f;
    LogMaker agent{f.tenant};
    auto later = replaced(shipped_pack(), "version: mimamori-2020.1", "version: mimamori-2026.1");
    f.load_pack(later, "2026.1", agent.received + hours{1});
    correlator::RulePacks packs{f.events};
    must(packs.refresh(f.connection, agent.received + hours{2}));
    const auto missing = packs.current()->in_force(agent.received);
    CHECK(missing.why == correlator::PackSet::Why::not_compiled);
    packs.want(missing.id);
    must(packs.refresh(f.connection, agent.received + hours{2}));
    CHECK(packs.current()->in_force(agent.received).why == correlator::PackSet::Why::ready);
    CHECK(packs.current()->in_force(agent.received + hours{1}).pack->id == missing.id + 1);
}

TEST_CASE("the site's own ranges say what is inside, and a change is seen after a while") {
    Fixture f{{.remember_rentals = std::chrono::milliseconds{0}}};
    f.database.query("update sites set lan_ranges = '{203.0.113.0/24}'");
    LogMaker agent{f.tenant};
    agent.add(remote_control(1));
    f.commit({agent.everything()});
    f.database.query("update sites set lan_ranges = '{192.168.0.0/16,2001:db8::/32}'");
    agent.add(remote_control(1));
    auto v6 = remote_control(1);
    v6.set_source_ip("2001:db8::7");
    agent.add(v6);
    f.commit({agent.batch(2, 3)});
    CHECK(f.rows("select direction from detections order by seq") == Lines{"1", "2", "2"});
    CHECK(f.rows("select device_key from findings order by id") == Lines{"192.168.1.1", "2001:db8::7"});
}
