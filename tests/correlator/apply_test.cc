// From records of the log to rows: what one poll writes, and that it is written exactly once.
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "base/text.h"
#include "correlator/fixture.h"
#include "correlator/progress.h"

using namespace mimamori;
using namespace mimamori::test;
using delivery::CommitEnd;
using Lines = std::vector<std::string>;

TEST_CASE("one detection becomes a row, a finding with its アラートID, news for the customer, and a moved cursor") {
    Fixture f;
    LogMaker agent{f.tenant};
    auto detection = remote_control(7);
    detection.set_lan_mac("00-00-5E-00-53-17");
    detection.set_observed_at_us(base::to_us(agent.received) - 1'000'000);
    agent.add(detection);
    const auto applied = f.commit({agent.everything()});

    CHECK(f.rows("select seq, severity, direction, class, name, source_ip, source_port, destination_ip, raw, encode(digest, 'hex') = "
                 "encode('\\x" + base::to_hex(delivery::digest_of(delivery::EntryKind::event, agent.payload(1))) + "'::bytea, 'hex'),"
                 " finding_id = (select id from findings), pack_id = (select id from rule_packs), site_id, appliance_id from detections") ==
          Lines{fmt::format("1|3|2|remote_control|JSIG-RAT GHOST-Activity-9|192.168.1.7|49152|203.0.113.9|\\x726177206c696e65|t|t|t|{}|{}",
                            f.tenant.site.value, f.tenant.appliance.value)});
    CHECK(f.rows("select device_key, class, alert_id, severity, detections, to_us(observed_at) from findings") ==
          Lines{fmt::format("00-00-5E-00-53-17|remote_control|{}-0001|3|1|{}", base::to_us(agent.received) / 1'000'000,
                            base::to_us(agent.received) - 1'000'000)});
    CHECK(f.rows("select severity, kind, detections, digest_id is null from mail_items") == Lines{"3|new|1|t"});
    CHECK(f.rows("select next_seq, detections, status, last_assigned from streams") == Lines{"2|1|0|1"});
    CHECK(f.rows("select log_no, next_offset from log_partitions where partition = 0") == Lines{"1|1"});

    REQUIRE(applied.streams.size() == 1);
    CHECK(applied.streams[0].cursor == delivery::Cursor{2, agent.h_before(2), delivery::StreamStatus::open});
    uplink::v1::Progress progress;
    REQUIRE(progress.ParseFromString(correlator::progress_record(f.generation(), 0, applied)));
    CHECK(progress.next_offset() == 1);
    CHECK(progress.log_no() == 1);
    CHECK(progress.generation() == text16(f.generation()));
    REQUIRE(progress.streams_size() == 1);
    CHECK(progress.streams(0).rental_id() == f.tenant.rental.value);
    CHECK(progress.streams(0).cursor().next_seq() == 2);
    CHECK(progress.streams(0).cursor().h() == text16(agent.h_before(2)));
    CHECK(progress.streams(0).cursor().spool_id() == text16(agent.spool_id()));
}

TEST_CASE("a packed batch is the same as a plain one, and one that lies about its size moves nothing") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(virus_received(1));
    uplink::v1::LogRecord record;
    REQUIRE(record.ParseFromString(agent.everything()));
    record.mutable_batch()->mutable_entries()->set_raw_size(record.batch().entries().raw_size() + 1);
    f.commit({record.SerializeAsString()});
    CHECK(f.count("detections") == 0);
    CHECK(f.rows("select kind from alarms") == Lines{"batch_unreadable"});
    f.commit({agent.everything()});
    CHECK(f.count("detections") == 1);
}

namespace {

// Detections, blocks and a rejected line of several devices, with several findings and a completed rule of several signs.
void fill(LogMaker& agent, int many) {
    for (int i = 0; i < many; ++i) {
        const int device = i % 3 + 1;
        switch (i % 7) {
            case 0: agent.add(virus_received(device)); break;
            case 1: agent.add(block("host" + std::to_string(i % 4), 2)); break;
            case 2: agent.add(dangerous_site(device)); break;
            case 3: agent.add(attack(device)); break;
            case 4: agent.add(virus_sent(device)); break;
            case 5: {
                detection::v1::Rejected rejected;
                rejected.set_raw("what is this");
                rejected.set_reason("not JSON");
                agent.add(rejected);
                break;
            }
            default: agent.add(remote_control(device));
        }
    }
}

}  // namespace

TEST_CASE("batches doubled, overlapping, cut anew and out of order write what one batch in order writes") {
    // Two databases whose tenants have the same ids: what they hold must be the same to the byte.
    Fixture plain;
    LogMaker agent{plain.tenant};
    fill(agent, 60);
    plain.commit({agent.everything()});
    const auto expected = plain.written();
    REQUIRE(plain.count("findings") > 6);
    REQUIRE(plain.count("device_signs") > 0);

    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random{seed};
    const auto upto = [&](delivery::Seq most) { return std::uniform_int_distribution<delivery::Seq>{1, most}(random); };
    for (int round = 0; round < 4; ++round) {
        Fixture f;
        REQUIRE(f.tenant.rental == plain.tenant.rental);
        delivery::Seq next = 1;
        int polls = 0;
        while (next <= agent.last()) {
            REQUIRE(++polls < 2000);
            std::vector<std::string> records;
            for (auto i = upto(4); i > 0; --i) {
                const auto first = upto(agent.last());
                records.push_back(agent.batch(first, std::min(agent.last(), first + upto(12))));
            }
            // The agent's own next batch comes at last, somewhere among the noise.
            records.insert(records.begin() + static_cast<std::ptrdiff_t>(upto(records.size())), agent.batch(next, std::min(agent.last(), next + upto(5))));
            if (upto(3) == 1) {
                records.push_back(agent.tick());
                records.push_back(records.front());
            }
            const auto applied = f.commit(records);
            next = applied.streams.at(0).cursor.next_seq;
            if (upto(4) == 1) {
                f.restart();
            }
        }
        CHECK(f.written() == expected);
        CHECK(must(store::verify_streams(f.connection, base::time_from_us(0))).empty());
    }
}

TEST_CASE("a gap does not advance, and the stream is told in the progress all the same") {
    Fixture f;
    LogMaker agent{f.tenant};
    fill(agent, 6);
    const auto applied = f.commit({agent.batch(3, 6)});
    CHECK(applied.gaps == 1);
    REQUIRE(applied.streams.size() == 1);
    CHECK(applied.streams[0].cursor.next_seq == 1);
    CHECK(f.count("detections") == 0);
    f.commit({agent.batch(1, 4), agent.batch(3, 6)});
    CHECK(f.rows("select next_seq from streams") == Lines{"7"});
}

TEST_CASE("the whole log read again, as after its loss, writes nothing twice") {
    Fixture f;
    LogMaker agent{f.tenant};
    fill(agent, 20);
    const std::vector<std::string> log{agent.batch(1, 7), agent.batch(8, 20)};
    f.commit(log);
    const auto before = f.written();
    const auto moved = f.applier->move_position({{f.position.position.log_no + 1, 0}, std::nullopt});
    REQUIRE(moved.end == CommitEnd::committed);
    CHECK(f.rows("select log_no, next_offset, last_record_id from log_partitions where partition = 0") == Lines{"2|0|"});
    f.restart();
    const auto again = f.commit(log);
    CHECK(again.old == 2);
    CHECK(f.written() == before);
}

TEST_CASE("a worker that lost its lease writes nothing and is told so") {
    Fixture f;
    LogMaker agent{f.tenant};
    fill(agent, 5);
    f.database.query("update log_partitions set epoch = '\\x00000000000000000000000000000001' where partition = 0");
    const auto applied = f.apply({agent.everything()});
    CHECK(applied.end == CommitEnd::fenced);
    CHECK(f.count("streams") == 0);
    CHECK(f.count("detections") == 0);
    CHECK(f.rows("select next_offset from log_partitions where partition = 0") == Lines{"0"});
    CHECK_FALSE(store::renew_lease(f.connection, f.lease));
    CHECK_FALSE(store::read_position(f.connection, f.lease));
}

TEST_CASE("of a poll during which the gateway closes a stream nothing of that stream is stored") {
    Fixture f;
    LogMaker agent{f.tenant};
    agent.add(virus_received(1));
    f.commit({agent.everything()});
    agent.add(virus_received(2));
    auto gateway = f.database.connect("gateway");
    REQUIRE(gateway.begin());
    const auto stream = f.database.integer("select id from streams");
    const auto closed = gateway.run("gateway_close_forked_stream", store::Params{}.integer(stream));
    REQUIRE(closed);
    CHECK(closed->integer(0, 2) == 2);  // the final cursor
    correlator::Applied applied;
    std::thread poll{[&] { applied = f.apply({agent.everything()}); }};
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (f.count("pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 0 &&
           std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
    }
    CHECK(gateway.commit());
    poll.join();
    CHECK(applied.end == CommitEnd::committed);
    CHECK(applied.old == 1);
    CHECK(f.rows("select next_seq, status, detections from streams") == Lines{"2|1|1"});
    CHECK(f.count("detections") == 1);
}

TEST_CASE("a database restored from a backup stops the worker before it writes") {
    Fixture f;
    LogMaker agent{f.tenant};
    fill(agent, 5);
    f.database.query("update database_identity set generation = '\\x00000000000000000000000000000002'");
    const auto applied = f.apply({agent.everything()});
    CHECK(applied.end == CommitEnd::failed);
    CHECK(applied.generation_changed);
    CHECK(f.count("detections") == 0);
}

TEST_CASE("streams that a restored database has forgotten are made again from the log") {
    Fixture f;
    LogMaker agent{f.tenant};
    fill(agent, 10);
    f.commit({agent.everything()});
    CHECK(f.rows("select rental_id, customer_id, lane, next_seq from streams") ==
          Lines{fmt::format("{}|{}|1|11", f.tenant.rental.value, f.tenant.customer.value)});
}

TEST_CASE("a record of a rental that is not the customer's is passed over with an alarm") {
    Fixture f;
    const auto other = f.database.make_tenant("two");
    Tenant mixed = f.tenant;
    mixed.customer = other.customer;
    LogMaker wrong{mixed}, right{f.tenant};
    wrong.add(remote_control(1));
    right.add(remote_control(2));
    f.commit({wrong.everything(), right.everything()});
    CHECK(f.rows("select source_ip from detections") == Lines{"192.168.1.2"});
    CHECK(f.rows("select kind from alarms") == Lines{"rental_unknown"});
}

TEST_CASE("a record that nobody can read is passed over with an alarm, and its neighbours are applied") {
    Fixture f;
    LogMaker agent{f.tenant};
    fill(agent, 4);
    f.commit({agent.batch(1, 2), "no protobuf", agent.batch(3, 4), "\xFF"});
    CHECK(f.rows("select next_seq from streams") == Lines{"5"});
    CHECK(f.rows("select kind, subject from alarms") == Lines{"record_unreadable|partition 0"});
    // Its hash stands for its id, so that the log is known again after a restart.
    CHECK(must(store::read_position(f.connection, f.lease)).last_record == correlator::record_id_of("\xFF"));
}

TEST_CASE("killed before any statement, or at the commit, nothing has changed and the next try writes all") {
    // Each statement of a poll that uses them all is made to fail in turn.
    Fixture reference;
    LogMaker agent{reference.tenant};
    fill(agent, 20);
    const auto poll = std::vector<std::string>{agent.batch(1, 20)};
    reference.commit(poll);
    const auto expected = reference.written();
    for (const std::string table : {"streams", "findings", "mail_items", "customer_counters", "device_signs", "detections", "quarantine",
                                    "block_tallies", "unknown_signatures"}) {
        INFO(table);
        Fixture f;
        f.database.query("create function cut() returns trigger language plpgsql as $$ begin perform pg_terminate_backend(pg_backend_pid()); "
                         "return null; end $$; create trigger cut before insert or update on " + table + " for each statement execute function cut()");
        const auto failed = f.apply(poll);
        CHECK(failed.end != CommitEnd::committed);
        CHECK(f.connection.broken());
        CHECK(f.count("streams") == 0);
        CHECK(f.count("detections") == 0);
        CHECK(f.count("findings") == 0);
        CHECK(f.count("block_tallies") == 0);
        CHECK(f.count("alarms") == 0);
        CHECK(f.rows("select next_offset from log_partitions where partition = 0") == Lines{"0"});
        f.database.query("drop trigger cut on " + table);
        f.connection = f.database.connect("correlator");
        f.restart();
        f.commit(poll);
        CHECK(f.written() == expected);
    }
}
