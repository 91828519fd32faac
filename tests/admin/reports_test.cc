// The programme's tables from a few rows whose answer is plain. The whole of them is tests/pilot's.
#include <catch2/catch.hpp>

#include "admin/commands.h"
#include "support/test_certificates.h"
#include "support/test_database.h"

using namespace mimamori;

namespace {

const std::string tenants = R"(operator: {name: みほん商工会議所}
resellers:
  - name: みほん商工会議所
    customers:
      - name: 育つ会社
        attributes:
          - {effective_from: 2020-04-01, employees: 1-5, industry: E, prefecture: 奈良県}
          - {effective_from: 2020-11-01, employees: 6-10, industry: E, prefecture: 奈良県}
        sites: [{name: 本社, appliances: [{utm_id: "0000000001"}]}]
      - name: 静かな会社
        attributes: [{effective_from: 2020-04-01, employees: 6-10, industry: R, prefecture: 滋賀県}]
        sites: [{name: 本社, appliances: [{utm_id: "0000000002"}]}]
      - name: 未記入の会社
        sites: [{name: 本社, appliances: [{utm_id: "0000000003"}]}]
)";

struct Programme {
    test::TestDatabase database;
    test::TemporaryFolder folder;
    admin::Context context = make_context();

    admin::Context make_context() const {
        const auto login = database.login("admin");
        const std::vector<std::string> sets{"postgres.host=" + login.host,
                                            "postgres.port=" + std::to_string(login.port),
                                            "postgres.database=" + login.database};
        auto config = platform::Config::load("admin", "", sets, {});
        REQUIRE(config);
        auto made = admin::make_context(std::move(*config), false);
        REQUIRE(made);
        return std::move(*made);
    }

    Programme() {
        REQUIRE(admin::apply_tenants(context, folder.write("t.yaml", tenants)));
        const auto pack = admin::load_pack(context, MIMAMORI_SOURCE_DIR "/packs/mimamori-2020.yaml");
        if (!pack) {
            FAIL(pack.error().what);
        }
        database.query("update rentals set starts_at = '2020-04-01' returning id");
    }

    void see(const std::string& customer, const std::string& at, int function, int direction, int severity,
             const std::string& name) {
        database.query(
            "insert into detections (received_at, id, stream_id, seq, digest, customer_id, site_id, rental_id, "
            "appliance_id, "
            "function, action, origin, direction, severity, mailable, pack_id, rule_id, class, source_ip, source_port, "
            "destination_ip, destination_port, lan_mac, protocol, app_protocol, name, threat_id, virus_id, file_name, "
            "file_sha256, mail_subject, mail_date, destination_host, url, category, application, vendor_priority, "
            "source_format, source_id, raw, raw_truncated) select '" +
            at + "', gen_random_uuid(), 1, 1, '', id, 1, 1, 1, " + std::to_string(function) + ", 1, 1, " +
            std::to_string(direction) + ", " + std::to_string(severity) +
            ", true, (select max(id) from rule_packs), '', '', '', 0, '', 0, '', '', '', '" + name +
            "', '', '', '', '', '', '', '', '', '', '', 0, '', '', '', false from customers where name = '" + customer +
            "' returning id");
    }

    std::string report(const std::string& name, const std::string& from, const std::string& until,
                       const std::string& by = "size") {
        const auto said = admin::show_report(context, {.name = name, .from = from, .until = until, .by = by, .top = 1});
        if (!said) {
            FAIL(said.error().what);
        }
        return *said;
    }
};

}  // namespace

TEST_CASE("each table counts what was received in its period, in Japan's days and by the attributes of its end") {
    Programme programme;
    programme.see("育つ会社", "2020-10-31 23:59:59+09", 2, 1, 1, "Trojan.A");
    programme.see("育つ会社", "2020-11-01 00:00:00+09", 2, 1, 1, "Trojan.A");
    programme.see("育つ会社", "2020-11-29 10:00:00+09", 2, 1, 1, "Trojan.B");
    programme.see("育つ会社", "2020-11-29 10:59:00+09", 3, 2, 2, "bad\tsite");
    programme.see("未記入の会社", "2020-11-02 10:00:00+09", 2, 1, 1, "Trojan.B");

    CHECK(programme.report("severity", "2020-11-01", "2020-12-01") ==
          "function\tdirection\tseverity\tdetections\tcustomers\n"
          "av\tinbound_attack\tone_star\t3\t2\n"
          "wg\toutbound_malicious\ttwo_stars\t1\t1\n");
    CHECK(programme.report("sides", "2020-11-01", "2020-12-01") ==
          "function\tside\tdetections\tcustomers\n"
          "av\tin\t3\t2\nav\tany\t3\t2\nwg\tout\t1\t1\nwg\tany\t1\t1\nany\tin\t3\t2\nany\tout\t1\t1\nany\tany\t4\t2\n");
    CHECK(programme.report("customers", "2020-10-01", "2020-11-01") ==
          "class\tmembers\tany\tav\tips\twg\n1-5\t1\t1\t1\t0\t0\n6-10\t1\t0\t0\t0\t0\nnot stated\t1\t0\t0\t0\t0\n");
    CHECK(programme.report("customers", "2020-11-01", "2020-12-01") ==
          "class\tmembers\tany\tav\tips\twg\n6-10\t2\t1\t1\t0\t1\nnot stated\t1\t1\t1\t0\t0\n");
    CHECK(programme.report("customers", "2020-11-01", "2020-12-01", "industry")
              .find("\nE manufacturing\t1\t1\t1\t0\t1\n") != std::string::npos);
    CHECK(programme.report("threats", "2020-11-01", "2020-12-01") ==
          "function\trank\tthreat\tdetections\tpercent\tcustomers\n"
          "av\t1\tTrojan.B\t2\t66.7\t2\nwg\t1\tbad site\t1\t100.0\t1\n");
    const auto weeks = programme.report("weeks", "2020-10-01", "2020-12-01", "prefecture");
    CHECK(weeks.find("奈良県\tav\t2020-10\t5\t1\t1\t") != std::string::npos);
    CHECK(weeks.find("奈良県\tav\t2020-11\t1\t1\t1\t") != std::string::npos);
    CHECK(weeks.find("奈良県\tav\t2020-11\t5\t1\t1\t") != std::string::npos);
    CHECK(weeks.find("not stated\tav\t2020-11\t1\t1\t1\t") != std::string::npos);
}

TEST_CASE("both mail policies are computed from the same verdicts") {
    Programme programme;
    programme.see("育つ会社", "2020-11-29 10:00:00+09", 2, 1, 1, "Trojan.A");
    programme.see("育つ会社", "2020-11-29 10:59:59+09", 2, 1, 1, "Trojan.B");  // the same hour: the same mail
    programme.see("育つ会社", "2020-11-29 10:59:59+09", 3, 2, 2, "bad site");  // another severity: another mail
    programme.see("静かな会社", "2020-11-29 11:00:00+09", 1, 3, 1, "password");
    programme.see("静かな会社", "2020-11-29 11:00:00+09", 1, 1, 0, "noise");
    CHECK(programme.report("mails", "2020-11-01", "2020-12-01") ==
          "policy\tdetections\tmails\tcustomers\n"
          "table_3_7\t2\t2\t2\n"
          "table_4_21\t4\t3\t2\n"
          "sent\t0\t0\t0\n");
}

TEST_CASE("a period that is none is refused with what to write") {
    Programme programme;
    const auto said =
        admin::show_report(programme.context, {.name = "severity", .from = "autumn", .until = "2021-01-01"});
    REQUIRE_FALSE(said);
    CHECK(said.error().what.find("--from: \"autumn\" is no time; write as 2020-09-01") != std::string::npos);
}

TEST_CASE("a customer's people see its own attributes and nobody else's") {
    Programme programme;
    auto people = programme.database.connect("portal");
    const auto sees = [&](const std::string& customer, int rows) {
        const auto set =
            customer.empty()
                ? std::string{}
                : "set local mimamori.customer_id = '" +
                      programme.database.query("select id from customers where name = '" + customer + "'")[0][0] + "';";
        REQUIRE(people.begin());
        const auto done =
            people.run_script(set + "do $$ begin if (select count(*) from customer_attributes) <> " +
                              std::to_string(rows) + " then raise exception 'other rows'; end if; end $$");
        people.rollback();
        return done.has_value();
    };
    CHECK(sees("育つ会社", 2));
    CHECK(sees("静かな会社", 1));
    CHECK(sees("未記入の会社", 0));
    CHECK(sees("", 0));
    CHECK_FALSE(sees("静かな会社", 3));
}
