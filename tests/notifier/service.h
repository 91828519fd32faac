// A customer's service for tests of the notifier: desk, packs, mail texts and one recipient on a real database, and
// ways to make news.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "base/text.h"
#include "notifier/closer.h"
#include "notifier/sender.h"
#include "platform/metrics.h"
#include "support/test_database.h"

namespace mimamori::test {

using namespace std::chrono_literals;

inline std::string read_file(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

inline std::string quoted(const std::string& text) {
    return "$mimamori$" + text + "$mimamori$";
}

// The customer is the only one.
struct Service {
    explicit Service(const std::string& label = "みほん")
        : tenant{database.make_tenant(label)}, connection{database.connect("notifier")} {
        settings.login = database.login("notifier");
        settings.window = 1h;
        settings.from_address = "soc@example.com";
        settings.bounce_address = "bounce@example.com";
        settings.operator_address = "operator@example.com";
        settings.message_id_domain = "example.com";
        settings.relay.starttls = false;
        settings.relay.total_timeout_ms = 1000;
        database.query(
            "insert into desks select id, '2020-01-01', 'サイバーお助け隊', 'Cyber Otasuketai', '監視センター', "
            "'Centre', "
            "'0120-000-000', '平日9時から18時', 'weekdays', 'desk@example.com', '24時間', 'any time', "
            "'https://portal.example.com' "
            "from operators");
        load("rule_packs", MIMAMORI_SOURCE_DIR "/packs/mimamori-2020.yaml");
        load("mail_texts", MIMAMORI_SOURCE_DIR "/packs/mail-texts-2026.yaml");
        add_recipient("owner@example.jp");
    }

    void load(const std::string& table, const std::string& file) {
        database.query(
            fmt::format("insert into {0} (version, effective_from, content, sha256, loaded_by) "
                        "select '{0}', '2020-01-01', {1}, sha256(convert_to({1}, 'UTF8')), 'test'",
                        table, quoted(read_file(file))));
    }

    void add_recipient(const std::string& address, const std::string& language = "ja") {
        database.query(fmt::format("insert into recipients (customer_id, address, language) values ({}, '{}', '{}')",
                                   tenant.customer.value, address, language));
    }

    // A finding with one open mail item of this severity; classes are those of the shipped pack.
    std::int64_t news(int severity, const std::string& alert_id) {
        const auto finding = database.integer(
            fmt::format("insert into findings (customer_id, site_id, rental_id, appliance_id, device_key, class, "
                        "alert_id, severity, function, direction, "
                        "action, name, source_ip, source_port, destination_ip, destination_port, lan_mac, pack_id, "
                        "rule_id, detections, observed_at, "
                        "first_observed_at, last_observed_at, last_received_at) "
                        "select {}, {}, {}, {}, 'device {}', '{}', '{}', {}, 1, 2, 1, 'JSIG-RAT GHOST-Activity-9', "
                        "'192.0.2.23', 49731, '203.0.113.45', 443, "
                        "'00-00-5E-00-53-17', min(id), 'r', 1, now(), now(), now(), now() from rule_packs returning id",
                        tenant.customer.value, tenant.site.value, tenant.rental.value, tenant.appliance.value, alert_id,
                        "remote_control", alert_id, severity));
        database.query(
            fmt::format("insert into mail_items (customer_id, finding_id, severity, kind, detections, "
                        "first_observed_at, last_observed_at) "
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

    std::int64_t count(const std::string& table_and_condition) {
        return database.integer("select count(*) from " + table_and_condition);
    }

    TestDatabase database;
    Tenant tenant;
    store::Connection connection;
    notifier::Settings settings;
    platform::Metrics metrics;
    platform::Events events{"notifier", metrics};
};

inline const base::Time ten = *base::parse_timestamp("2026-04-08T10:00:00+09:00");

}  // namespace mimamori::test
