// The operator's commands against a real database: what they do, what they leave in the audit log, what they say.
#include <catch2/catch.hpp>

#include <filesystem>
#include <future>
#include <thread>

#include "admin/commands.h"
#include "platform/files.h"
#include "support/test_certificates.h"
#include "support/test_database.h"

using namespace mimamori;
namespace fs = std::filesystem;

namespace {

const std::string tenants = R"(operator: {name: みほん商工会議所}
resellers:
  - name: みほん商工会議所
    customers:
      - name: 株式会社みほん製作所
        sites: [{name: 本社, appliances: [{utm_id: "0000000001"}]}]
)";

struct Office {
    test::TestDatabase database;
    test::TemporaryFolder folder;
    admin::Context context = make_context();

    admin::Context make_context() const {
        const auto login = database.login("admin");
        const std::vector<std::string> sets{"postgres.host=" + login.host,
                                            "postgres.port=" + std::to_string(login.port),
                                            "postgres.database=" + login.database, "kafka.bootstrap=127.0.0.1:1"};
        auto config = platform::Config::load("admin", "", sets, {});
        REQUIRE(config);
        auto made = admin::make_context(std::move(*config), false);
        REQUIRE(made);
        return std::move(*made);
    }
    std::string path(const std::string& name) const { return (folder.path() / name).string(); }
    std::int64_t audited(const std::string& action) {
        return database.integer("select count(*) from audit_log where action = '" + action + "'");
    }
};

std::string text(const admin::Output& output) {
    if (!output) {
        FAIL(output.error().what);
    }
    return *output;
}

}  // namespace

TEST_CASE("from tenants to a certificate that the database knows, every step in the audit log") {
    Office office;
    text(admin::apply_tenants(office.context, office.folder.write("t.yaml", tenants)));
    text(admin::create_authority(office.context, {.out = office.path("ca")}));
    const auto said = text(admin::issue_certificate(
        office.context, {.authority = office.path("ca"), .out = office.path("agent"), .utm_id = "0000000001"}));
    CHECK(said.find("株式会社みほん製作所") != std::string::npos);
    const auto fingerprint = office.database.query("select encode(fingerprint, 'hex') from certificates").at(0).at(0);
    CHECK(said.find(fingerprint) != std::string::npos);
    CHECK(fs::status(office.path("agent/agent.key")).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    CHECK(*platform::read_file(office.path("agent/ca.pem"), 10'000) ==
          *platform::read_file(office.path("ca/ca.pem"), 10'000));
    text(admin::revoke_certificate(office.context, {.utm_id = "", .fingerprint = fingerprint}));
    CHECK(office.database.integer("select count(*) from certificates where revoked_at is null") == 0);
    for (const std::string action : {"tenants.apply", "ca.create", "certificate.issue", "certificate.revoke"}) {
        CHECK(office.audited(action) == 1);
    }
    CHECK(office.database.query("select distinct left(actor, 3) from audit_log") ==
          std::vector<std::vector<std::string>>{{"os:"}});
}

TEST_CASE("a certificate that the database does not take leaves no key behind") {
    Office office;
    text(admin::create_authority(office.context, {.out = office.path("ca")}));
    const auto issued = admin::issue_certificate(
        office.context, {.authority = office.path("ca"), .out = office.path("agent"), .utm_id = "0000000001"});
    REQUIRE_FALSE(issued);
    CHECK(issued.error().what.find("admin apply") != std::string::npos);
    CHECK(fs::is_empty(office.path("agent")));
    CHECK(office.audited("certificate.issue") == 0);
}

TEST_CASE("an authority is never overwritten") {
    Office office;
    text(admin::create_authority(office.context, {.out = office.path("ca")}));
    const auto key = platform::read_file(office.path("ca/ca.key"), 10'000);
    CHECK_FALSE(admin::create_authority(office.context, {.out = office.path("ca")}));
    CHECK(*platform::read_file(office.path("ca/ca.key"), 10'000) == *key);
    CHECK(office.audited("ca.create") == 1);
}

TEST_CASE("a file with a defect is refused with file, line and no trace in the database") {
    Office office;
    const auto bad = admin::apply_tenants(office.context, office.folder.write("t.yaml", "operator: {nam: x}\n"));
    REQUIRE_FALSE(bad);
    CHECK(bad.error().what.find("t.yaml: line 1") != std::string::npos);
    CHECK(office.database.integer("select count(*) from operators") == 0);
    CHECK(office.audited("tenants.apply") == 0);
}

TEST_CASE("alarms are listed, shown on one line each, and closed once") {
    Office office;
    CHECK(text(admin::list_alarms(office.context, false)) == "no open alarms\n");
    office.database.query("select raise_alarm('mail_given_up', 'mail 7', E'evil\\ntext\\u202E')");
    office.database.query("select raise_alarm('mail_given_up', 'mail 7', E'evil\\ntext\\u202E')");
    const auto listed = text(admin::list_alarms(office.context, false));
    CHECK(listed.find("mail_given_up  mail 7 (2 times") != std::string::npos);
    CHECK(listed.find("evil text ") != std::string::npos);
    const auto id = office.database.integer("select id from alarms");
    CHECK(text(admin::close_alarm(office.context, id)).find("mail_given_up mail 7") != std::string::npos);
    CHECK_FALSE(admin::close_alarm(office.context, id));
    CHECK(text(admin::list_alarms(office.context, false)) == "no open alarms\n");
    CHECK(text(admin::list_alarms(office.context, true)).find("closed") != std::string::npos);
    CHECK(office.audited("alarm.close") == 1);
}

TEST_CASE("status adds up what the tables hold") {
    Office office;
    const auto tenant = office.database.make_tenant("a");
    office.database.query(
        "insert into streams (rental_id, customer_id, lane, spool_id, h_before, next_seq, detections, last_assigned) "
        "values (" +
        std::to_string(tenant.rental.value) + ", " + std::to_string(tenant.customer.value) +
        ", 0, decode(repeat('01', 16), 'hex'), decode(repeat('00', 16), 'hex'), 6, 5, 8)");
    office.database.query(
        "insert into outbox (customer_id, address, message_id, mail) values (null, 'a@example.com', 'm', '')");
    office.database.query("insert into log_partitions (partition) values (0)");
    const auto plain = text(admin::show_status(office.context));
    CHECK(plain.find("5 detections") != std::string::npos);
    CHECK(plain.find("3 behind") != std::string::npos);
    CHECK(plain.find("1 pending") != std::string::npos);
    CHECK(plain.find("held by nobody") != std::string::npos);
    CHECK(plain.find("alarms      none is open") != std::string::npos);
    CHECK(plain.find("kafka       Kafka at 127.0.0.1:1 does not answer") != std::string::npos);
    CHECK(plain.find("never heard of") != std::string::npos);
    office.database.query("select raise_alarm('mail_given_up', 'mail ' || n, 'x') from generate_series(1, 3) n");
    office.database.query("insert into quarantine values (now(), 1, 1, '', " + std::to_string(tenant.customer.value) +
                          ", " + std::to_string(tenant.rental.value) + ", 'quarantined', 1, 'bad', '')");
    office.database.query(
        "insert into presence (rental_id, customer_id, appliance_id, gateway, session_id, connected, last_heard_at, "
        "spool_bytes) "
        "select id, customer_id, appliance_id, 'gw1', '', true, now() - interval '90 minutes', 4096 from rentals");
    const auto troubled = text(admin::show_status(office.context));
    CHECK(troubled.find("alarm       mail_given_up (3), the oldest for ") != std::string::npos);
    CHECK(troubled.find("quarantine  1 quarantined within 7 days") != std::string::npos);
    CHECK(troubled.find("connected to gw1, heard of 90 min ago, 4 KiB spooled") != std::string::npos);
    CHECK(troubled.find("0 connected of 1 known") != std::string::npos);
    office.context.json = true;
    const auto json = text(admin::show_status(office.context));
    CHECK(json.find(R"("streams":{"open":1,"closed":0,"superseded":0})") != std::string::npos);
    CHECK(json.find(R"("behind":3)") != std::string::npos);
    CHECK(json.find(R"("kafka":{"answers":false)") != std::string::npos);
    CHECK(json.find(R"("log_end":null)") != std::string::npos);
}

TEST_CASE("verify tells a stream whose rows are not what its counter says, and a tampered audit log") {
    Office office;
    text(admin::apply_tenants(office.context, office.folder.write("t.yaml", tenants)));
    text(admin::ensure_partitions(office.context, 2));
    text(admin::verify(office.context, 36'500));
    office.database.query(
        "insert into streams (rental_id, customer_id, lane, spool_id, h_before, next_seq, detections) "
        "select id, customer_id, 0, decode(repeat('01', 16), 'hex'), decode(repeat('00', 16), 'hex'), 2, 1 from "
        "rentals");
    const auto missing = admin::verify(office.context, 36'500);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().what.find("detections 1 by its counter, 0 rows") != std::string::npos);
    office.database.query("delete from streams");
    // Many streams, of which only the last is wrong: a number twice and another not at all.
    office.database.query(
        "insert into streams (rental_id, customer_id, lane, spool_id, h_before, next_seq, quarantined, rejected) "
        "select r.id, r.customer_id, 0, uuid_send(gen_random_uuid()), decode(repeat('00', 16), 'hex'), "
        "case when n = 1200 then 4 else 1 end, case when n = 1200 then 2 else 0 end, case when n = 1200 then 1 else 0 end "
        "from rentals r, generate_series(1, 1200) n where r.id = (select min(id) from rentals)");
    office.database.query(
        "insert into quarantine (received_at, stream_id, seq, digest, customer_id, rental_id, origin, entry_kind, reason, "
        "payload) select now(), s.id, e.seq, decode(repeat('00', 16), 'hex'), s.customer_id, s.rental_id, e.origin, 1, '', '' "
        "from (select * from streams order by id desc limit 1) s, "
        "(values (1, 'rejected'), (2, 'quarantined'), (2, 'quarantined')) e(seq, origin)");
    const auto doubled = admin::verify(office.context, 36'500);
    REQUIRE_FALSE(doubled);
    CHECK(doubled.error().what.find("detections 0 by its counter, 0 rows, 0 numbers; rejected 1 and 1, quarantined 2 and 2, 2 numbers")
          != std::string::npos);
    CHECK(std::count(doubled.error().what.begin(), doubled.error().what.end(), '\n') == 1);
    office.database.query("delete from quarantine");
    office.database.query("delete from streams");
    office.database.query("alter table audit_log disable trigger audit_is_insert_only");
    office.database.query("update audit_log set actor = 'somebody else' where id = 1");
    const auto tampered = admin::verify(office.context, 36'500);
    REQUIRE_FALSE(tampered);
    CHECK(tampered.error().what.find("audit log row 1") != std::string::npos);
}

TEST_CASE("the audit log stays whole when two write at once, however long one of them takes over its row") {
    test::TestDatabase database;
    auto gate = database.connect("admin");
    REQUIRE(gate.begin());
    REQUIRE(gate.run_script("do $$ begin perform pg_advisory_xact_lock(1); end $$"));
    const auto write = [&](const std::string& detail) {
        auto writer = database.connect("admin");
        return writer
            .run_script("insert into audit_log (actor, action, object, detail) select 'a', 'b', 'c', " + detail)
            .has_value();
    };
    auto slow = std::async(std::launch::async, write, "jsonb_build_object('gate', pg_advisory_xact_lock(1)::text)");
    const auto waiting = [&](int count) {
        return database.integer(
                   "select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (select "
                   "oid from pg_database where datname = current_database())") >= count;
    };
    while (!waiting(1)) {  // the test's time limit bounds it
        std::this_thread::yield();
    }
    auto quick = std::async(std::launch::async, write, "'{}'::jsonb");
    while (!waiting(2) && database.integer("select count(*) from audit_log") == 0) {
        std::this_thread::yield();
    }
    gate.rollback();
    CHECK(slow.get());
    CHECK(quick.get());
    CHECK(database.integer("select count(*) from audit_log") == 2);
    CHECK(database.query("select audit_breaks()").empty());
}

TEST_CASE("verify tells news and losses that no mail tells, and says who waits for an address") {
    Office office;
    text(admin::apply_tenants(office.context, office.folder.write("t.yaml", tenants)));
    office.database.query(
        "insert into streams (rental_id, customer_id, lane, spool_id, h_before) "
        "select id, customer_id, 0, decode(repeat('01', 16), 'hex'), decode(repeat('00', 16), 'hex') from rentals");
    office.database.query(
        "insert into losses (customer_id, rental_id, stream_id, kind, first_seq, last_seq, entries) "
        "select customer_id, rental_id, id, 'tombstone', 1, 5, 5 from streams");
    CHECK(text(admin::verify(office.context, 1)).find("nobody to mail them to (1)") != std::string::npos);
    office.database.query("insert into recipients (customer_id, address) select id, 'owner@example.jp' from customers");
    CHECK(text(admin::verify(office.context, 1)).find("customer") == std::string::npos);  // its hour is open

    const auto defect = [&](const std::string& sql) {
        office.database.query(sql);
        const auto found = admin::verify(office.context, 1);
        return found ? std::string{} : found.error().what;
    };
    CHECK(defect("update losses set recorded_at = now() - interval '26 hours'")
              .find("wait for longer than any hour lasts (1)") != std::string::npos);
    const auto unsent = defect(
        "with d as (insert into digests (customer_id, kind, window_start, window_end, closed_at) "
        "select id, 'losses', now(), now(), now() from customers returning id) update losses set digest_id = d.id from "
        "d");
    CHECK(unsent.find("closed digests have no mail (1)") != std::string::npos);
    CHECK(unsent.find("wait") == std::string::npos);
    CHECK(defect("insert into outbox (customer_id, digest_id, address, message_id, mail) select customer_id, id, "
                 "'a@b', 'x', '' from digests") == "");
    CHECK(defect("update digests set kind = 'findings', severity = 1").find("another kind or severity (1)") !=
          std::string::npos);
    CHECK(defect("update losses set digest_id = null").find("closed digests tell nothing (1)") != std::string::npos);
}

TEST_CASE("mail texts that lack a kind of mail are not stored") {
    Office office;
    const auto refused = admin::load_mail_texts(
        office.context,
        office.folder.write("m.yaml",
                            "version: a\neffective_from: 2026-01-01T00:00:00Z\ntemplates: {alert_subject_ja: x}\n"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("alert_plain_ja is missing") != std::string::npos);
    CHECK(office.database.integer("select count(*) from mail_texts") == 0);
    text(admin::load_mail_texts(office.context, MIMAMORI_SOURCE_DIR "/packs/mail-texts-2026.yaml"));
}

TEST_CASE("whole months beyond the retention are dropped with an entry in the audit log, and none within it") {
    Office office;
    office.database.query("select ensure_partitions('2021-01-10', 2)");
    office.database.query("insert into quarantine select '2021-02-03', 1, 1, '', 1, 1, 'rejected', 1, 'bad', ''");
    const auto refused = admin::drop_partitions(office.context, 399);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("admin.retention_days") != std::string::npos);
    CHECK(office.database.integer("select count(*) from quarantine") == 1);
    const auto days_since = office.database.integer("select current_date - date '2021-02-15'");
    CHECK(text(admin::drop_partitions(office.context, static_cast<int>(days_since))) ==
          "dropped: detections_2021_01\ndropped: quarantine_2021_01\ndropped: block_tallies_2021_01\n");
    CHECK(office.database.integer("select count(*) from quarantine") == 1);  // February has not wholly passed yet
    CHECK(text(admin::drop_partitions(office.context, 400)).find("dropped: quarantine_2021_02") != std::string::npos);
    CHECK(office.database.integer("select count(*) from quarantine") == 0);
    CHECK(text(admin::drop_partitions(office.context, 400)).find("no month lies") != std::string::npos);
    CHECK(office.audited("partitions.drop") == 3);
    CHECK(office.database
              .query("select detail->'dropped'->>0 from audit_log where action = 'partitions.drop' order by id")
              .at(0)
              .at(0) == "detections_2021_01");
}

TEST_CASE("ending a rental frees the appliance and says whose it was") {
    Office office;
    text(admin::apply_tenants(office.context, office.folder.write("t.yaml", tenants)));
    office.database.query("update rentals set starts_at = now() - interval '1 day'");
    CHECK(text(admin::end_rental(office.context, "0000000001")).find("株式会社みほん製作所") != std::string::npos);
    CHECK_FALSE(admin::end_rental(office.context, "0000000001"));
    CHECK(office.database.integer("select count(*) from rentals where ends_at is null") == 0);
}

TEST_CASE("a pack is checked, stored once, and never changed") {
    Office office;
    const auto file = std::string{MIMAMORI_SOURCE_DIR} + "/packs/mimamori-2020.yaml";
    CHECK(text(admin::check_pack(office.context, file)).find("no defects") != std::string::npos);
    CHECK(office.database.integer("select count(*) from rule_packs") == 0);
    CHECK(text(admin::load_pack(office.context, file)).find("stored") != std::string::npos);
    CHECK(text(admin::load_pack(office.context, file)).find("was stored already") != std::string::npos);
    CHECK(office.database.integer("select count(*) from rule_packs") == 1);
    // The same version with another content, though it says the same.
    const auto content = platform::read_file(file, 10'000'000).value();
    const auto changed =
        admin::load_pack(office.context, office.folder.write("changed.yaml", content + "\n# a remark\n"));
    REQUIRE_FALSE(changed);
    CHECK(changed.error().what.find("new version") != std::string::npos);
    const auto broken =
        admin::load_pack(office.context, office.folder.write("broken.yaml", content + "\nnonsense: 1\n"));
    REQUIRE_FALSE(broken);
    CHECK(broken.error().what.find("line ") != std::string::npos);
    CHECK(office.database.integer("select count(*) from rule_packs") == 1);
}

TEST_CASE("what would not speak plainly to customers is not stored, and its line is told") {
    Office office;
    const auto spoilt = [&](const char* name, std::string_view from, std::string_view to) {
        auto content = platform::read_file(std::string{MIMAMORI_SOURCE_DIR} + "/packs/" + name, 10'000'000).value();
        const auto at = content.find(from);
        REQUIRE(at != std::string::npos);
        content.replace(at, from.size(), to);
        return office.folder.write(name, content);
    };
    const auto pack = admin::load_pack(
        office.context, spoilt("mimamori-2020.yaml", "title: ウイルス感染の疑い", "title: マルウェアのインシデント"));
    REQUIRE_FALSE(pack);
    CHECK(pack.error().what.find(": class \"remote_control\", title in ja: holds \"インシデント\"") != std::string::npos);
    CHECK(pack.error().what.find("\"マルウェア\" without its meaning") != std::string::npos);
    const auto mails = admin::load_mail_texts(
        office.context, spoilt("mail-texts-2026.yaml", "ご利用いただき、ありがとうございます。", "あなたは至急クリックしてください。"));
    REQUIRE_FALSE(mails);
    CHECK(mails.error().what.find(": template quiet_plain_ja: holds \"あなた\"") != std::string::npos);
    CHECK(office.database.integer("select (select count(*) from rule_packs) + (select count(*) from mail_texts)") == 0);
}

TEST_CASE("a restored backup gets another generation, once for each restore, and the audit log knows") {
    Office office;
    const auto generations = [&] {
        return office.database.query("select encode(generation, 'hex') from database_identity")[0][0];
    };
    const auto first = generations();
    CHECK(text(admin::database_restored(office.context)).find("next: start every gateway") != std::string::npos);
    const auto second = generations();
    CHECK(second != first);
    text(admin::database_restored(office.context));
    CHECK(generations() != second);
    CHECK(office.audited("database.restored") == 2);
}

TEST_CASE("making the database gives every role a random password of its own, in files that only the owner reads") {
    Office office;
    const auto superuser = office.database.superuser();
    const auto name = office.database.name() + "_made";
    const std::vector<std::string> sets{"postgres.host=" + superuser.host,
                                        "postgres.port=" + std::to_string(superuser.port), "postgres.database=" + name,
                                        "postgres.password_directory=" + office.path("secrets")};
    auto made = admin::make_context(platform::Config::load("admin", "", sets, {}).value(), false);
    REQUIRE(made);
    const admin::DatabaseCreate options{.superuser = superuser.user,
                                        .superuser_password_file = superuser.password_file};
    text(admin::create_database(*made, options));
    const auto file = office.path("secrets/mimamori_gateway.password");
    const auto password = platform::read_secret(file).value();
    CHECK(password.size() == 48);
    CHECK(fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    CHECK(password != platform::read_secret(office.path("secrets/mimamori_admin.password")).value());
    // Once more: the database and the passwords stay.
    CHECK(text(admin::create_database(*made, options)).find("was there already") != std::string::npos);
    CHECK(platform::read_secret(file).value() == password);
    CHECK(text(admin::migrate_database(*made)).find("migrated: 0001_") != std::string::npos);
    CHECK(text(admin::migrate_database(*made)).find("up to date") != std::string::npos);
    // The server holds a SCRAM verifier, not the password.
    CHECK(office.database.integer("select count(*) from pg_authid where rolname like 'mimamori%' and rolpassword not "
                                  "like 'SCRAM-SHA-256%'") == 0);
    CHECK(text(admin::show_status(*made)).find("schema      0") != std::string::npos);
    office.database.query("drop database " + name + " with (force)");
}

TEST_CASE("without a password directory making the database says which setting is missing") {
    Office office;
    const auto made = admin::create_database(office.context, {});
    REQUIRE_FALSE(made);
    CHECK(made.error().what.find("postgres.password_directory") != std::string::npos);
}
