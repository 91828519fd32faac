#include "domain/finding.h"

#include <catch2/catch.hpp>

#include "domain/small_pack.h"

namespace mimamori::tests {
namespace {

using namespace std::chrono_literals;
using domain::Grouping;
using domain::MailItemKind;
using domain::OpenFinding;
using domain::Verdict;

const base::Time noon = base::from_civil_utc({2026, 4, 8, 3, 0, 0, 0});

Verdict verdict_of(Severity severity, bool mailable = true) {
    Verdict verdict;
    verdict.severity = severity;
    verdict.mailable = mailable && severity != Severity::none;
    return verdict;
}

struct Row {
    const char* sentence;
    std::optional<OpenFinding> newest;
    Verdict verdict;
    Grouping grouping;
    std::optional<MailItemKind> kind;
    Severity mailed;
};

OpenFinding open_since(base::Micros ago, Severity severity, bool has_mail_item = true) {
    return {base::FindingId{7}, severity, noon - ago, has_mail_item};
}

const Row rows[] = {
    {"no star makes no finding", {}, verdict_of(Severity::none), Grouping::no_finding, {}, {}},
    {"no star joins no finding either",
     open_since(1h, Severity::two_stars),
     verdict_of(Severity::none),
     Grouping::no_finding,
     {},
     {}},
    {"the first detection makes a finding and is news",
     {},
     verdict_of(Severity::one_star),
     Grouping::new_finding,
     MailItemKind::new_finding,
     Severity::one_star},
    {"what is not mailed makes a finding without news",
     {},
     verdict_of(Severity::one_star, false),
     Grouping::new_finding,
     {},
     {}},
    {"the next one continues it", open_since(1h, Severity::one_star), verdict_of(Severity::one_star), Grouping::joins,
     MailItemKind::continues, Severity::one_star},
    {"just 24 h after the last detection it still joins", open_since(24h, Severity::two_stars),
     verdict_of(Severity::two_stars), Grouping::joins, MailItemKind::continues, Severity::two_stars},
    {"a moment later it is a new finding", open_since(24h + 1us, Severity::two_stars), verdict_of(Severity::two_stars),
     Grouping::new_finding, MailItemKind::new_finding, Severity::two_stars},
    {"a receive time before the last one joins too", open_since(-5s, Severity::two_stars),
     verdict_of(Severity::two_stars), Grouping::joins, MailItemKind::continues, Severity::two_stars},
    {"a higher severity raises it and is told in the more important mail", open_since(1h, Severity::one_star),
     verdict_of(Severity::three_stars), Grouping::joins_and_raises, MailItemKind::raised, Severity::three_stars},
    {"a lower one does not lower it, and the mail is still the finding's", open_since(1h, Severity::three_stars),
     verdict_of(Severity::one_star), Grouping::joins, MailItemKind::continues, Severity::three_stars},
    {"a higher severity after 24 h is a new finding", open_since(25h, Severity::one_star),
     verdict_of(Severity::three_stars), Grouping::new_finding, MailItemKind::new_finding, Severity::three_stars},
    {"a finding nobody was told of is new to the customer", open_since(1h, Severity::one_star, false),
     verdict_of(Severity::one_star), Grouping::joins, MailItemKind::new_finding, Severity::one_star},
    {"raised or not", open_since(1h, Severity::one_star, false), verdict_of(Severity::two_stars),
     Grouping::joins_and_raises, MailItemKind::new_finding, Severity::two_stars},
    {"what joins without being mailable is no news",
     open_since(1h, Severity::one_star),
     verdict_of(Severity::one_star, false),
     Grouping::joins,
     {},
     {}},
};

TEST_CASE("detections of one device and class make one finding") {
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto* newest = row.newest ? &*row.newest : nullptr;
        const auto grouping = domain::group(newest, row.verdict, noon);
        CHECK(grouping == row.grouping);
        const auto news = domain::mail_news(grouping, newest, row.verdict);
        REQUIRE(news.has_value() == row.kind.has_value());
        if (news) {
            CHECK(news->kind == *row.kind);
            CHECK(news->severity == row.mailed);
        }
    }
}

TEST_CASE("the kinds of mail items have the database's names") {
    CHECK(domain::name_of(MailItemKind::new_finding) == "new");
    CHECK(domain::name_of(MailItemKind::raised) == "raised");
    CHECK(domain::name_of(MailItemKind::continues) == "continues");
}

TEST_CASE("a MAC address has one form") {
    const std::pair<const char*, const char*> good[] = {
        {"00-00-5E-00-53-17", "00-00-5E-00-53-17"},   {"00:00:5e:00:53:17", "00-00-5E-00-53-17"},
        {"0000.5e00.5317", "00-00-5E-00-53-17"},      {"00005E005317", "00-00-5E-00-53-17"},
        {" 02:00:5e:00:53:af ", "02-00-5E-00-53-AF"},
    };
    for (const auto& [text, expected] : good) {
        INFO(text);
        CHECK(domain::normalised_mac(text) == expected);
    }
    for (const auto* text : {"", "00-00-00-00-00-00", "FF-FF-FF-FF-FF-FF", "01-00-5E-00-00-01", "00:00-5e:00-53:17",
                             "00-00-5E-00-53", "00-00-5E-00-53-17-18", "00-00-5E-00-53-1G", "0000:5e00:5317", "unknown",
                             "0-0-5E-0-53-17xxx", "00--5E-00-53-17-"}) {
        INFO(text);
        CHECK_FALSE(domain::normalised_mac(text));
    }
}

TEST_CASE("a finding belongs to the device inside") {
    struct DeviceRow {
        const char* sentence;
        Direction direction;
        const char* mac;
        const char* source;
        const char* destination;
        const char* key;
    };
    const DeviceRow device_rows[] = {
        {"the MAC address is the device, DHCP may move its IP address", Direction::outbound_malicious,
         "00:00:5e:00:53:17", "192.0.2.23", "203.0.113.45", "00-00-5E-00-53-17"},
        {"going out, the source is the device", Direction::outbound_malicious, "", "192.0.2.23", "203.0.113.45",
         "192.0.2.23"},
        {"inside, the source is the device", Direction::internal_weakness, "", "192.0.2.58", "192.0.2.1", "192.0.2.58"},
        {"coming in, the destination is the device", Direction::inbound_attack, "", "198.51.100.7", "192.0.2.31",
         "192.0.2.31"},
        {"a MAC address of nobody does not count", Direction::inbound_attack, "00-00-00-00-00-00", "198.51.100.7",
         "192.0.2.31", "192.0.2.31"},
        {"IPv6 is as good", Direction::outbound_malicious, "", "2001:db8::23", "2001:db8:1::1", "2001:db8::23"},
        {"a name is no address", Direction::inbound_attack, "", "198.51.100.7", "host.example", "unknown"},
        {"without addresses the device is unknown", Direction::outbound_malicious, "", "", "", "unknown"},
        {"of unknown direction neither end is a device of the customer", Direction::unknown, "", "198.51.100.7",
         "203.0.113.45", "unknown"},
        {"unless its MAC address was seen", Direction::unknown, "00-00-5E-00-53-17", "198.51.100.7", "203.0.113.45",
         "00-00-5E-00-53-17"},
    };
    for (const auto& row : device_rows) {
        INFO(row.sentence);
        domain::DetectionView detection;
        detection.lan_mac = row.mac;
        detection.source_ip = row.source;
        detection.destination_ip = row.destination;
        CHECK(domain::device_key(detection, row.direction) == row.key);
    }
}

TEST_CASE("an alert id is seconds and the customer's number, at least four digits") {
    const auto at = base::time_from_us(1'586'334'621'999'999);
    CHECK(domain::format_alert_id(at, 1652) == "1586334621-1652");
    CHECK(domain::format_alert_id(at, 1) == "1586334621-0001");
    CHECK(domain::format_alert_id(at, 10'000) == "1586334621-10000");
}

}  // namespace
}  // namespace mimamori::tests
