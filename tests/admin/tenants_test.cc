// Declared tenants in a real database.
#include <catch2/catch.hpp>

#include <thread>

#include "domain/tenants.h"
#include "store/admin_tenants.h"
#include "support/test_database.h"

using namespace mimamori;

namespace {

const auto now = base::time_from_us(1'775'600'000'000'000);

domain::Tenants declared() {
    domain::DeclaredDesk desk;
    desk.effective_from = now;
    desk.service_name_ja = desk.centre_name_ja = desk.hours_ja = desk.mail_hours_ja = "日本語";
    desk.service_name_en = desk.centre_name_en = desk.hours_en = desk.mail_hours_en = "English";
    desk.phone = "0120-000-000";
    desk.mail = "desk@example.com";
    desk.portal_url = "https://portal.example.com";
    domain::DeclaredCustomer customer;
    customer.name = "株式会社みほん製作所";
    customer.recipients.emplace({domain::DeclaredRecipient{"owner@example.com", "社長", std::nullopt, std::nullopt}});
    customer.device_names = {{"00-00-5E-00-53-17", "経理のパソコン"}};
    customer.sites = {{"本社", {"192.168.1.0/24"}, {{"0000000001", "UTM"}, {"0000000002", "UTM"}}}};
    domain::Tenants out{"みほん商工会議所", {desk}, {{"みほん商工会議所", {customer}}}};
    REQUIRE(domain::check_tenants(out).empty());
    return out;
}

store::TenantChanges apply(store::Connection& connection, const domain::Tenants& tenants, base::Time at = now) {
    REQUIRE(connection.begin());
    auto changes = store::apply_tenants(connection, tenants, at);
    if (!changes) {
        FAIL(changes.error().what);
    }
    REQUIRE(connection.commit());
    return *changes;
}

}  // namespace

TEST_CASE("what is declared is made once; the same file again changes nothing") {
    test::TestDatabase database;
    auto admin = database.connect("admin");
    const auto first = apply(admin, declared());
    CHECK(first.made == 11);
    CHECK(first.unchanged == 0);
    const auto second = apply(admin, declared(), now + std::chrono::hours{1});
    CHECK(second.made == 0);
    CHECK(second.changed == 0);
    CHECK(second.unchanged == 11);
    CHECK(database.query("select utm_id, to_us(starts_at), host(lan_ranges[1]) from rentals join appliances on appliances.id = appliance_id "
                         "join sites on sites.id = site_id order by utm_id") ==
          std::vector<std::vector<std::string>>{{"0000000001", "1775600000000000", "192.168.1.0"},
                                                {"0000000002", "1775600000000000", "192.168.1.0"}});
}

TEST_CASE("each changed value reaches its row and nothing else does") {
    test::TestDatabase database;
    auto admin = database.connect("admin");
    apply(admin, declared());
    auto changed = declared();
    changed.desks[0].phone = "0120-111-111";
    auto& customer = changed.resellers[0].customers[0];
    customer.contact_name = "総務課";
    customer.three_stars_at_once = true;
    customer.recipients->at(0).language = "en";
    customer.device_names[0].name = "受付のパソコン";
    customer.sites[0].lan_ranges = {"10.1.0.0/16"};
    customer.sites[0].appliances[0].model = "UTM2";
    const auto changes = apply(admin, changed);
    CHECK(changes.made == 0);
    CHECK(changes.changed == 6);
    CHECK(changes.unchanged == 5);
    CHECK(database.query("select phone from desks") == std::vector<std::vector<std::string>>{{"0120-111-111"}});
    CHECK(database.query("select contact_name, three_stars_at_once from customers") == std::vector<std::vector<std::string>>{{"総務課", "t"}});
    CHECK(database.query("select address, language from recipients") == std::vector<std::vector<std::string>>{{"owner@example.com", "en"}});
    CHECK(database.query("select lan_ranges from sites") == std::vector<std::vector<std::string>>{{"{10.1.0.0/16}"}});
    CHECK(database.query("select model from appliances order by utm_id") == std::vector<std::vector<std::string>>{{"UTM2"}, {"UTM"}});
}

TEST_CASE("attributes have effective dates: a company that grows has two rows, and a corrected one changes") {
    test::TestDatabase database;
    auto admin = database.connect("admin");
    auto tenants = declared();
    auto& attributes = tenants.resellers[0].customers[0].attributes;
    attributes = {{now, "6-10", "E", "奈良県"}};
    CHECK(apply(admin, tenants).made == 12);
    attributes.push_back({now + std::chrono::hours{24}, "11-20", "E", "奈良県"});
    CHECK(apply(admin, tenants).made == 1);
    attributes[0].prefecture = "滋賀県";
    const auto changes = apply(admin, tenants);
    CHECK(changes.made == 0);
    CHECK(changes.changed == 1);
    CHECK(database.query("select employees, industry, prefecture from customer_attributes order by effective_from") ==
          std::vector<std::vector<std::string>>{{"6-10", "E", "滋賀県"}, {"11-20", "E", "奈良県"}});
}

TEST_CASE("an appliance does not change its customer unnoticed: its rental must be ended first") {
    test::TestDatabase database;
    auto admin = database.connect("admin");
    apply(admin, declared());
    const auto before = store::open_rental(admin, "0000000001");
    REQUIRE(before);
    auto moved = declared();
    moved.resellers[0].customers.push_back(moved.resellers[0].customers[0]);
    auto& next = moved.resellers[0].customers[1];
    next.name = "みほん商店";
    next.recipients.reset();
    moved.resellers[0].customers[0].sites[0].appliances.erase(
        moved.resellers[0].customers[0].sites[0].appliances.begin());
    next.sites[0].appliances.pop_back();
    REQUIRE(admin.begin());
    const auto refused = store::apply_tenants(admin, moved, now);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("rental end") != std::string::npos);
    admin.rollback();
    CHECK(database.integer("select count(*) from customers") == 1);

    REQUIRE(store::end_rental(admin, before->id, now + std::chrono::hours{1}));
    apply(admin, moved, now + std::chrono::hours{2});
    const auto after = store::open_rental(admin, "0000000001");
    REQUIRE(after);
    CHECK(after->customer_name == "みほん商店");
    CHECK(after->id != before->id);
    CHECK(database.integer("select count(*) from rentals") == 3);
}

TEST_CASE("a recipient ends when the file leaves it out or says when; its row stays, and a return is another row") {
    test::TestDatabase database;
    auto admin = database.connect("admin");
    auto tenants = declared();
    auto& recipients = tenants.resellers[0].customers[0].recipients;
    recipients->push_back({"boss@example.com", "", std::nullopt, std::nullopt});
    recipients->push_back({"temp@example.com", "", std::nullopt, now + std::chrono::hours{48}});
    apply(admin, tenants);
    const auto mailed_at = [&](base::Time at) {
        return database.query(
            "select string_agg(address, ' ' order by address) from recipients where ends_at is null or ends_at > "
            "from_us(" +
            std::to_string(base::to_us(at)) + ")")[0][0];
    };
    CHECK(mailed_at(now) == "boss@example.com owner@example.com temp@example.com");
    CHECK(mailed_at(now + std::chrono::hours{49}) == "boss@example.com owner@example.com");

    const auto later = now + std::chrono::hours{1};
    recipients->erase(recipients->begin());  // the owner
    CHECK(apply(admin, tenants, later).ended == 1);
    CHECK(mailed_at(later) == "boss@example.com temp@example.com");
    CHECK(apply(admin, tenants, later).ended == 0);
    recipients->pop_back();  // the end that was set is still to come: it comes now
    CHECK(apply(admin, tenants, later).ended == 1);
    CHECK(mailed_at(later) == "boss@example.com");

    tenants.resellers[0].customers[0].recipients.reset();  // a file that does not speak of recipients
    CHECK(apply(admin, tenants, later).ended == 0);
    CHECK(mailed_at(later) == "boss@example.com");

    const auto back = declared();
    CHECK(apply(admin, back, later + std::chrono::hours{1}).made == 1);
    CHECK(database.query("select count(*), count(ends_at) from recipients where address = 'owner@example.com'") ==
          std::vector<std::vector<std::string>>{{"2", "1"}});
    CHECK(apply(admin, back, later + std::chrono::hours{2}).made == 0);
}

TEST_CASE("the last recipient cannot end, neither by being left out nor by a date; the error says what to do") {
    test::TestDatabase database;
    auto admin = database.connect("admin");
    apply(admin, declared());
    const auto refused = [&](std::vector<domain::DeclaredRecipient> recipients) {
        auto tenants = declared();
        tenants.resellers[0].customers[0].recipients = std::move(recipients);
        REQUIRE(admin.begin());
        const auto done = store::apply_tenants(admin, tenants, now);
        admin.rollback();
        return done ? std::string{} : done.error().what;
    };
    CHECK(refused({}).find("株式会社みほん製作所\" would have nobody to mail to") != std::string::npos);
    CHECK(refused({{"owner@example.com", "社長", std::nullopt, now + std::chrono::hours{1}}})
              .find("at least one recipient without") != std::string::npos);
    CHECK(refused({{"new@example.com", "", std::nullopt, std::nullopt}}) == "");  // redirected
    CHECK(database.integer("select count(*) from recipients where ends_at is null") == 1);
}

TEST_CASE("two operators that apply the same file at once make everything once") {
    test::TestDatabase database;
    std::vector<std::thread> threads;
    std::atomic<std::int64_t> made{0};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, admin = std::make_shared<store::Connection>(database.connect("admin")), tenants = declared()] {
            if (admin->begin()) {
                const auto changes = store::apply_tenants(*admin, tenants, now);
                if (changes && admin->commit()) {
                    made += changes->made;
                }
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(made == 11);
    CHECK(database.integer("select count(*) from customers") == 1);
}

TEST_CASE("a certificate is bound to one rental for good, and revoked once") {
    test::TestDatabase database;
    auto admin = database.connect("admin");
    apply(admin, declared());
    const auto rental = store::open_rental(admin, "0000000001")->id;
    store::NewCertificate certificate{{}, rental, "abcd", now, now + std::chrono::days{1}};
    certificate.fingerprint[0] = 1;
    REQUIRE(store::add_certificate(admin, certificate));
    const auto again = store::add_certificate(admin, certificate);
    REQUIRE_FALSE(again);
    CHECK(again.error().kind == base::FailureKind::conflict);
    certificate.fingerprint[0] = 2;
    REQUIRE(store::add_certificate(admin, certificate));
    CHECK(store::revoke_certificate(admin, certificate.fingerprint, now) == 1);
    CHECK(store::revoke_certificate(admin, certificate.fingerprint, now) == 0);
    CHECK(store::revoke_certificates(admin, rental, now) == 1);
    CHECK_FALSE(store::open_rental(admin, "9999999999"));
}
