// What becomes of entries that are not plain detections: quarantine, rejected lines, blocks, tombstones, gone ranges, forks.
#include <catch2/catch.hpp>

#include <unistd.h>

#include "base/text.h"
#include "correlator/block_plan.h"
#include "correlator/fixture.h"

using namespace mimamori;
using namespace mimamori::test;
using delivery::CommitEnd;
using Lines = std::vector<std::string>;

namespace {

Lines counters(Fixture& f) {
    return f.rows("select next_seq, detections, blocks, skipped, rejected, quarantined, tombstoned, gone from streams order by id");
}

}  // namespace

TEST_CASE("an entry that verifies but cannot be read goes to quarantine with its bytes, its neighbours do not") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(remote_control(1));
    agent.add(delivery::EntryKind::event, "\xFFnonsense");
    auto port = remote_control(2);
    port.set_destination_port(70000);
    agent.add(port);
    auto function = remote_control(3);
    function.set_function(static_cast<detection::v1::Function>(9));
    agent.add(function);
    auto nul = remote_control(4);
    nul.set_url(std::string{"a\0b", 3});
    agent.add(nul);
    agent.add(static_cast<delivery::EntryKind>(77), "of a later version");
    agent.add(block("", 1));
    agent.add(block("host", 0));
    agent.add(remote_control(5));
    f.commit({agent.everything()});
    CHECK(counters(f) == Lines{"10|2|0|0|0|7|0|0"});
    CHECK(f.rows("select seq, origin, entry_kind, payload from quarantine where seq in (2, 6) order by seq") ==
          Lines{"2|quarantined|1|\\xff6e6f6e73656e7365", "6|quarantined|77|\\x6f662061206c617465722076657273696f6e"});
    CHECK(f.count("quarantine where reason = ''") == 0);
    CHECK(f.rows("select source_ip from detections order by seq") == Lines{"192.168.1.1", "192.168.1.5"});
    CHECK(f.rows("select kind, subject from alarms") == Lines{fmt::format("entry_quarantined|stream {}", f.rows("select id from streams")[0])});
    CHECK(must(store::verify_streams(f.connection, base::time_from_us(0))).empty());
}

TEST_CASE("the log line of a quarantined entry carries the trace of its record") {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    Fixture f;
    platform::Metrics metrics;
    platform::Events events{"correlator", metrics, ends[1]};
    f.applier =
        std::make_unique<correlator::PollApplier>(f.connection, f.lease, f.generation(), f.packs, events, f.limits_);
    LogMaker agent{f.tenant};
    agent.add(delivery::EntryKind::event, "\xFFnonsense");
    const auto record = agent.everything();
    f.commit({record});
    std::string lines(4096, '\0');
    const auto got = ::read(ends[0], lines.data(), lines.size());
    ::close(ends[0]);
    ::close(ends[1]);
    REQUIRE(got > 0);
    uplink::v1::LogRecord parsed;
    REQUIRE(parsed.ParseFromString(record));
    const auto& id = parsed.record_id();
    const auto hex = base::to_hex({reinterpret_cast<const std::uint8_t*>(id.data()), id.size()});
    CHECK(lines.find("\"event\":\"entry_quarantined\"") != std::string::npos);
    CHECK(lines.find("\"trace\":\"" + hex + "\"") != std::string::npos);
    f.restart();
}

TEST_CASE("an entry that PostgreSQL refuses is found among its neighbours and goes to quarantine alone") {
    Fixture f;
    f.database.query("alter table detections add check (threat_id <> 'poison')");
    LogMaker agent{f.tenant};
    for (int i = 1; i <= 20; ++i) {
        auto detection = remote_control(i);
        detection.set_threat_id(i == 4 || i == 17 ? "poison" : "fine");
        agent.add(detection);
        agent.add(block("host", 1));
    }
    f.commit({agent.batch(1, 15), agent.batch(16, 40)});
    CHECK(counters(f) == Lines{"41|18|20|0|0|2|0|0"});
    CHECK(f.rows("select seq, origin, entry_kind, position('violates check constraint' in reason) > 0 from quarantine order by seq") ==
          Lines{"7|quarantined|1|t", "33|quarantined|1|t"});
    CHECK(f.count("findings") == 18);  // a detection that is not stored is no finding
    CHECK(f.rows("select count from block_tallies") == Lines{"20"});
    CHECK(f.rows("select last_finding_no from customer_counters") == Lines{"18"});
}

TEST_CASE("what is refused for the service's own fault blames no entry: nothing is dropped, and it goes on when cured") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(remote_control(1));
    f.database.query("revoke insert on mail_items from mimamori_correlator");
    const auto applied = f.apply({agent.everything()});
    CHECK(applied.end == CommitEnd::failed);
    CHECK(applied.stuck);
    CHECK(f.count("detections") == 0);
    CHECK(f.count("quarantine") == 0);
    f.database.query("grant insert on mail_items to mimamori_correlator");
    f.commit({agent.everything()});
    CHECK(f.count("mail_items") == 1);
}

TEST_CASE("rejected lines are kept with the agent's reason") {
    Fixture f;
    LogMaker agent{f.tenant};
    detection::v1::Rejected rejected;
    rejected.set_raw("\x01\xFF half a line");
    rejected.set_reason("line 3: not JSON");
    agent.add(rejected);
    f.commit({agent.everything()});
    CHECK(counters(f) == Lines{"2|0|0|0|1|0|0|0"});
    CHECK(f.rows("select origin, reason, entry_kind from quarantine") == Lines{"rejected|line 3: not JSON|2"});
    CHECK(f.count("alarms") == 0);
}

TEST_CASE("blocks are counted exactly by hour, kind and key, and keys beyond the limit together") {
    Fixture f{{.block_keys_per_hour = 3}};
    LogMaker agent{f.tenant, delivery::Lane::rollup};
    const auto at = [&](detection::v1::Block b, std::int64_t minutes) {
        b.set_observed_at_us(base::to_us(agent.received) + minutes * 60'000'000);
        return b;
    };
    agent.add(at(block("a", 2), -90));  // another hour
    agent.add(at(block("a", 5), -30));
    agent.add(at(block("b", 1), -30));
    agent.add(at(block("a", 7), -30));
    agent.add(at(block("a", 1, "ip"), -30));  // another kind
    f.commit({agent.everything()});
    f.restart();  // what keys are there is known from the database
    agent.add(at(block("c", 1), -30));
    agent.add(at(block("d", 10), -30));
    agent.add(at(block("e", 20), -30));
    agent.add(at(block("b", 100), -30));
    f.commit({agent.batch(3, 6), agent.batch(5, 9)});
    f.commit({agent.batch(1, 9)});
    CHECK(f.rows("select hour at time zone 'UTC', kind, key, count from block_tallies order by 1, 2, 3") ==
          Lines{"2026-04-07 23:00:00|url|a|2", "2026-04-08 00:00:00|ip|a|1", "2026-04-08 00:00:00|url|(others)|30",
                "2026-04-08 00:00:00|url|a|12", "2026-04-08 00:00:00|url|b|101", "2026-04-08 00:00:00|url|c|1"});
    CHECK(counters(f) == Lines{"10|0|9|0|0|0|0|0"});
}

TEST_CASE("block keys that are not committed are not remembered") {
    Fixture f{{.block_keys_per_hour = 1}};
    LogMaker agent{f.tenant, delivery::Lane::rollup};
    agent.add(block("first", 1));
    f.database.query("alter table streams add constraint no check (next_seq < 2)");
    CHECK(f.apply({agent.everything()}).end == CommitEnd::failed);
    f.database.query("alter table streams drop constraint no");
    LogMaker other{f.tenant, delivery::Lane::rollup};
    other.add(block("second", 1));
    f.commit({other.everything()});
    CHECK(f.rows("select key from block_tallies") == Lines{"second"});
}

TEST_CASE("a tombstone is counted from the cursor on, wherever in it the cursor lies") {
    for (const delivery::Seq cursor : {1U, 3U, 5U}) {
        INFO("cursor at " << cursor);
        Fixture f;
        LogMaker agent{f.tenant};
        for (int i = 0; i < 6; ++i) {
            agent.add(virus_received(i + 1));
        }
        if (cursor > 1) {
            f.commit({agent.batch(1, cursor - 1)});
        }
        // IPS urgent, AV, AV, WG urgent, UF
        f.commit({agent.tombstone(1, 5, "\x11\x02\x02\x13\x04"), agent.batch(4, 6)});
        CHECK(counters(f) == Lines{fmt::format("7|{}|0|0|0|0|{}|0", cursor, 6 - cursor)});
        const std::map<delivery::Seq, std::string> by_function{{1, "{0,1,2,1,1,0}|2"}, {3, "{0,0,1,1,1,0}|1"}, {5, "{0,0,0,0,1,0}|0"}};
        CHECK(f.rows("select kind, first_seq, last_seq, entries, at_least, by_function, urgent, to_us(oldest_observed_at) from losses") ==
              Lines{fmt::format("tombstone|{}|5|{}|f|{}|{}", cursor, 6 - cursor, by_function.at(cursor), base::to_us(agent.received) - 60'000'000)});
        CHECK(f.count("alarms where kind = 'spool_overflowed' and detail = 'entries " + std::to_string(cursor) +
                      " to 5'") == 1);
        CHECK(f.count("alarms") == 1);
    }
}

TEST_CASE("a tombstone for what is stored already changes nothing") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(virus_received(1));
    agent.add(virus_received(2));
    f.commit({agent.everything(), agent.tombstone(1, 2, "\x02\x02")});
    CHECK(counters(f) == Lines{"3|2|0|0|0|0|0|0"});
    CHECK(f.count("losses") == 0);
}

TEST_CASE("a damaged segment is accepted with an alarm and the chain goes on after it") {
    Fixture f;
    LogMaker agent{f.tenant};
    for (int i = 0; i < 5; ++i) {
        agent.add(virus_received(i + 1));
    }
    f.commit({agent.batch(1, 1), agent.damaged(2, 4), agent.batch(5, 5)});
    CHECK(counters(f) == Lines{"6|2|0|0|0|0|3|0"});
    CHECK(f.rows("select kind, first_seq, last_seq, entries from losses") == Lines{"damaged|2|4|3"});
    CHECK(f.rows("select kind from alarms") == Lines{"spool_damaged"});
}

TEST_CASE("a gone range moves the cursor with an alarm and the chain goes on after it") {
    Fixture f;
    LogMaker agent{f.tenant};
    for (int i = 0; i < 4; ++i) {
        agent.add(virus_received(i + 1));
    }
    f.commit({agent.gone(1, 3), agent.batch(3, 4)});
    CHECK(counters(f) == Lines{"5|1|0|0|0|0|0|3"});
    CHECK(f.rows("select kind, first_seq, last_seq, entries from losses") == Lines{"gone|1|3|3"});
    CHECK(f.rows("select kind from alarms") == Lines{"entries_gone"});
}

TEST_CASE("entries that do not continue what is stored close the stream, and nothing more is applied to it") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(virus_received(1));
    agent.add(virus_received(2));
    f.commit({agent.batch(1, 1)});
    LogMaker impostor = agent;  // the same spool id with another history
    uplink::v1::LogRecord record;
    REQUIRE(record.ParseFromString(agent.batch(2, 2)));
    record.mutable_batch()->set_h_before(std::string(16, 'x'));
    const auto applied = f.commit({record.SerializeAsString(), agent.batch(2, 2)});
    CHECK(f.rows("select status, close_reason, next_seq, closed_at is not null from streams") == Lines{"1|chain|2|t"});
    CHECK(f.rows("select kind, first_seq, last_seq, entries, at_least from losses") == Lines{"fork|2|2|1|t"});
    CHECK(f.rows("select kind from alarms") == Lines{"chain_mismatch"});
    REQUIRE(applied.streams.size() == 1);
    CHECK(applied.streams[0].cursor.status == delivery::StreamStatus::closed);
    CHECK(applied.streams[0].cursor.next_seq == 2);
    f.commit({agent.batch(1, 2)});
    CHECK(f.count("detections") == 1);
}

TEST_CASE("an altered payload does not verify") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(virus_received(1));
    agent.add(virus_received(2));
    auto altered = agent.batch(1, 2);
    altered[altered.find("Trojan.Test.Received")] = 'X';
    // The first altered entry is only noticed by what follows: its own digest is made of the altered bytes.
    f.commit({altered});
    const auto applied = f.commit({agent.batch(2, 2)});
    CHECK(applied.old == 1);
    LogMaker next = agent;
    next.add(virus_received(3));
    f.commit({next.batch(3, 3)});
    CHECK(f.rows("select status from streams") == Lines{"1"});
}

TEST_CASE("entries moved from a forked spool are skipped where their row stands, and applied where it does not") {
    Fixture f;
    LogMaker old{f.tenant};
    old.add(virus_received(1));
    detection::v1::Rejected rejected;
    rejected.set_raw("bad line");
    old.add(rejected);
    old.add(block("host", 3));
    f.commit({old.everything()});
    f.database.query("update streams set status = 1");

    LogMaker fresh{f.tenant};
    fresh.add(virus_received(1));                 // the same entry, stored: skipped
    fresh.add(rejected);                          // the same
    fresh.add(block("host", 3));                  // no row to compare with: counted again
    fresh.add(virus_received(9));                 // what the old place holds is another entry
    fresh.add(virus_received(8));                 // its old place holds nothing
    for (delivery::Seq seq = 1; seq <= 3; ++seq) {
        fresh.mark_suspect(seq, {old.spool_id(), seq});
    }
    fresh.mark_suspect(4, {old.spool_id(), 1});
    fresh.mark_suspect(5, {old.spool_id(), 99});
    f.commit({fresh.everything()});
    CHECK(counters(f) == Lines{"4|1|1|0|1|0|0|0", "6|2|1|2|0|0|0|0"});
    CHECK(f.rows("select count from block_tallies") == Lines{"6"});
    CHECK(f.rows("select destination_ip from detections order by stream_id, seq") == Lines{"192.168.1.1", "192.168.1.9", "192.168.1.8"});
}

TEST_CASE("an entry that comes through several restored spools is stored once, by the first place it ever had") {
    Fixture f;
    const delivery::SpoolId image{7};  // of a stream that was never heard of here
    LogMaker first{f.tenant}, second{f.tenant}, third{f.tenant};
    detection::v1::Rejected rejected;
    rejected.set_raw("bad line");
    for (auto* spool : {&first, &second, &third}) {
        spool->add(virus_received(1));
        spool->add(rejected);
        spool->add(block("host", 3));
        for (delivery::Seq seq = 1; seq <= 3; ++seq) {
            spool->mark_suspect(seq, {image, seq});
        }
    }
    f.commit({first.everything(), second.everything()});  // in one transaction
    f.commit({third.everything()});                       // and in the next
    CHECK(f.rows("select detections, blocks, skipped, rejected from streams order by detections desc") ==
          Lines{"1|1|0|1", "0|1|2|0", "0|1|2|0"});
    CHECK(f.count("detections") == 1);
    CHECK(f.count("quarantine") == 1);
    CHECK(f.rows("select seq from moved_entries order by seq") == Lines{"1", "2"});
}

TEST_CASE("clocks of 1970 and 2038 are kept as they are, told, and do not move findings, marks or tallies there") {
    Fixture f;
    LogMaker agent{f.tenant};
    const auto at = [&](auto entry, std::int64_t us) {
        entry.set_observed_at_us(us);
        return entry;
    };
    agent.add(at(dangerous_site(1), 86'400'000'000));                              // 1970
    agent.add(at(dangerous_site(2), 2'147'483'647'000'000));                       // 2038
    agent.add(at(dangerous_site(3), INT64_MIN));
    agent.add(at(dangerous_site(4), INT64_MAX));
    agent.add(at(block("host", 1), 86'400'000'000));
    agent.add(at(dangerous_site(5), base::to_us(agent.received) - 3'600'000'000));  // right
    f.commit({agent.everything()});
    CHECK(f.rows("select extract(year from observed_at) from detections order by seq") == Lines{"1970", "2038", "1", "9999", "2026"});
    CHECK(f.rows("select distinct to_us(observed_at) from findings order by 1") ==
          Lines{fmt::format("{}", base::to_us(agent.received) - 3'600'000'000), fmt::format("{}", base::to_us(agent.received))});
    CHECK(f.rows("select hour at time zone 'UTC' from block_tallies") == Lines{"2026-04-08 01:00:00"});
    CHECK(f.count("device_signs where at < '2026-01-01' or at > '2027-01-01'") == 0);
    CHECK(f.rows("select kind, subject, count from alarms") == Lines{fmt::format("clock_skew|rental {}|1", f.tenant.rental.value)});

    LogMaker skewed{f.tenant};
    skewed.clock_offset_us = 3'600'000'000;  // the agent is an hour slow: its times are moved
    skewed.add(at(dangerous_site(6), base::to_us(skewed.received) - 3'600'000'000 - 5'000'000));
    f.commit({skewed.everything()});
    CHECK(f.rows("select to_us(received_at - corrected_at - interval '5 s' + 'epoch'::timestamptz) from detections where source_ip = '192.168.1.6'") == Lines{"0"});
    CHECK(f.rows("select count from alarms") == Lines{"1"});  // told already
}

TEST_CASE("names that no rule knows are listed with their counts, and the list is bounded") {
    Fixture f{{.unknown_signatures = 2}};
    LogMaker agent{f.tenant};
    const auto named = [](const std::string& name) {
        auto out = attack(1);
        out.set_threat_name(name);
        return out;
    };
    agent.add(named("one"));
    agent.add(named("two"));
    agent.add(named("one"));
    f.commit({agent.everything()});
    agent.add(named("three"));
    agent.add(named("two"));
    agent.add(named(std::string(5000, 'x')));
    f.commit({agent.batch(4, 6)});
    CHECK(f.rows("select name, count from unknown_signatures order by name") == Lines{"one|2", "two|2"});
    CHECK(f.count("detections") == 6);
}

TEST_CASE("the memory of block keys is bounded") {
    correlator::BlockKeys keys{1000, 100};
    const store::TallyGroup group{base::time_from_us(0), {1}, "url"};
    for (int i = 0; i < 150; ++i) {
        CHECK(keys.admit(group, "key" + std::to_string(i)) != correlator::other_keys);
    }
    CHECK(keys.knows(group));
    keys.make_room();
    CHECK(keys.remembered() == 0);
    CHECK_FALSE(keys.knows(group));
}
