// The operator's file of tenants: what it says, and that what is wrong with it is said with its place.
#include <catch2/catch.hpp>

#include "adapters/tenants_yaml/load.h"
#include "domain/tenants.h"

using namespace mimamori;
using adapters::tenants_yaml::load;

namespace {

const std::string whole = R"(operator:
  name: みほん商工会議所
  desks:
    - effective_from: 2020-04-01
      service_name: {ja: サイバーお助け隊, en: Cyber Rescue}
      centre_name: {ja: 監視センター, en: Watch Centre}
      phone: 0120-000-000
      hours: {ja: 平日9時から18時, en: weekdays 9 to 18}
      mail: desk@example.com
      mail_hours: {ja: 24時間, en: any time}
      portal_url: https://portal.example.com
resellers:
  - name: みほん商工会議所
    customers:
      - name: 株式会社みほん製作所
        contact_name: ご担当者様
        three_stars_at_once: true
        recipients: [{address: owner@example.com, name: 社長, language: en}, {address: b@example.com, ends: 2026-05-01}]
        attributes: [{effective_from: 2020-09-01, employees: 6-10, industry: E, prefecture: 奈良県}]
        device_names: [{device: "00:00:5e:00:53:17", name: 経理のパソコン}, {device: 192.168.1.9, name: プリンター}]
        sites:
          - name: 本社
            lan_ranges: [192.168.1.0/24]
            appliances: [{utm_id: "0000000001", model: みほんUTM}]
          - name: 工場
            appliances: [{utm_id: "0000000002"}]
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("the whole file is read, and addresses take the database's form") {
    auto tenants = load(whole);
    REQUIRE(tenants);
    CHECK(domain::check_tenants(*tenants).empty());
    CHECK(tenants->operator_name == "みほん商工会議所");
    REQUIRE(tenants->desks.size() == 1);
    CHECK(base::format_jst(tenants->desks[0].effective_from) == "2020-04-01 00:00:00");
    CHECK(tenants->desks[0].hours_en == "weekdays 9 to 18");
    const auto& customer = tenants->resellers.at(0).customers.at(0);
    CHECK(customer.three_stars_at_once);
    CHECK(customer.language == "ja");
    CHECK(customer.recipients.value().at(0).language == "en");
    CHECK_FALSE(customer.recipients->at(1).language);
    CHECK_FALSE(customer.recipients->at(0).ends_at);
    REQUIRE(customer.attributes.size() == 1);
    CHECK(base::format_jst(customer.attributes[0].effective_from) == "2020-09-01 00:00:00");
    CHECK(customer.attributes[0].employees == "6-10");
    CHECK(customer.attributes[0].industry == "E");
    CHECK(customer.attributes[0].prefecture == "奈良県");
    REQUIRE(customer.recipients->at(1).ends_at);
    CHECK(base::format_jst(*customer.recipients->at(1).ends_at) == "2026-05-01 00:00:00");
    CHECK(customer.device_names.at(0).device == "00-00-5E-00-53-17");
    CHECK(customer.device_names.at(1).device == "192.168.1.9");
    CHECK(customer.sites.at(0).lan_ranges == std::vector<std::string>{"192.168.1.0/24"});
    CHECK(customer.sites.at(1).lan_ranges.size() == 3);  // RFC 1918
    CHECK(customer.sites.at(0).appliances.at(0).utm_id == "0000000001");
}

TEST_CASE("what the file's form does not allow is refused with its line") {
    struct Row {
        std::string from, to, told;
    };
    const std::vector<Row> rows{
        {"contact_name", "contact", "line 16: a customer has no key \"contact\""},
        {"phone: 0120-000-000", "fax: 1", "line 7: a desk has no key \"fax\""},
        {"phone: 0120-000-000\n      hours", "hours", "\"phone\" is missing"},
        {"three_stars_at_once: true", "three_stars_at_once: sometimes", "line 17"},
        {"effective_from: 2020-04-01", "effective_from: spring", "line 4"},
        {"{ja: 監視センター, en: Watch Centre}", "監視センター", "line 6"},
        {"lan_ranges: [192.168.1.0/24]", "lan_ranges: 192.168.1.0/24", "must be a list"},
        {"recipients: [", "recipients: {", "line "},
        {"ends: 2026-05-01", "ends: someday", "line 18"},
        {"employees: 6-10", "staff: 6-10", "line 19: attributes has no key \"staff\""},
        {"operator:", "operators:", "line 1: the file has no key \"operators\""},
    };
    for (const auto& row : rows) {
        const auto tenants = load(replaced(whole, row.from, row.to));
        INFO(row.to);
        REQUIRE_FALSE(tenants);
        INFO(tenants.error().what);
        CHECK(tenants.error().what.find(row.told) != std::string::npos);
    }
    for (const std::string text : {"", "- 1\n", "just text", "a: &x [*x]"}) {
        CHECK_FALSE(load(text));
    }
}

TEST_CASE("what the values mean is checked, and all defects are said at once") {
    struct Row {
        std::string from, to, told;
    };
    const std::vector<Row> rows{
        {"owner@example.com", "owner example.com", "no mail address"},
        {"owner@example.com", "\"owner@example.com\\nBcc: x@example.com\"", "no mail address"},
        {"address: b@example.com", "address: owner@example.com", "stands twice"},
        {"language: en}", "language: fr}", "must be ja or en"},
        {"00:00:5e:00:53:17", "00:00:5e:00:53", "neither a MAC address nor an IP address"},
        {"device: 192.168.1.9", "device: \"0000.5e00.5317\"", "stands twice"},
        {"192.168.1.0/24", "192.168.1.1/24", "no address range"},
        {"\"0000000002\"", "\"0000000001\"", "stands twice"},
        {"\"0000000002\"", "\"00 02\"", "UTM ID"},
        {"name: 工場", "name: 本社", "stands twice"},
        {"name: 株式会社みほん製作所", "name: \"a\\u202Eb\"", "one line"},
        {"name: 株式会社みほん製作所", "name: \"\"", "has no name"},
        {"https://portal.example.com", "https://portal.example.com/login", "portal_url"},
        {"employees: 6-10", "employees: 7", "must be one of 1-5, 6-10"},
        {"industry: E", "industry: Z", "A to T"},
        {"prefecture: 奈良県", "prefecture: Nara", "as 奈良県"},
        {"prefecture: 奈良県}", "prefecture: 奈良県}, {effective_from: 2020-09-01, employees: 1-5, industry: E, prefecture: 奈良県}", "two begin"},
    };
    for (const auto& row : rows) {
        auto tenants = load(replaced(whole, row.from, row.to));
        INFO(row.to);
        REQUIRE(tenants);
        const auto defects = domain::check_tenants(*tenants);
        REQUIRE(defects.size() == 1);
        CHECK(defects[0].find(row.told) != std::string::npos);
    }
    auto two = load(replaced(replaced(whole, "owner@example.com", "nobody"), "192.168.1.0/24", "all"));
    REQUIRE(two);
    CHECK(domain::check_tenants(*two).size() == 2);
}
