// A fresh, migrated database on a real PostgreSQL, for one test. Copied from a template that is made once per schema, so
// it costs some 50 ms; dropped when the object goes.
// The server is named by MIMAMORI_POSTGRES_HOST and MIMAMORI_POSTGRES_PORT; MIMAMORI_TEST_SUPERUSER (default "postgres")
// must be able to log in and to make databases, and the service roles must be able to log in without a password (trust).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "store/connection.h"

namespace mimamori::test {

// One customer's appliance at a site, with everything above it.
struct Tenant {
    base::CustomerId customer;
    base::SiteId site;
    base::ApplianceId appliance;
    base::RentalId rental;
};

class TestDatabase {
  public:
    TestDatabase();  // throws std::runtime_error that says what to do
    ~TestDatabase();
    TestDatabase(const TestDatabase&) = delete;
    TestDatabase& operator=(const TestDatabase&) = delete;

    const std::string& name() const { return name_; }

    // `role` without prefix: "gateway", "correlator", ...; "owner" for the schema's owner.
    store::Login login(std::string_view role) const;
    store::Login superuser() const;
    store::Connection connect(std::string_view role) const;  // throws

    // Any SQL as the superuser (row-level security does not bind it); rows as text, NULL as "". Throws on an error.
    std::vector<std::vector<std::string>> query(std::string_view sql);
    std::int64_t integer(std::string_view sql);  // of one row with one column

    // A new operator, reseller, customer, site, appliance and open rental; names contain `label`.
    Tenant make_tenant(std::string_view label);
    // A further appliance with a rental at the same site.
    Tenant add_appliance(const Tenant& tenant);
    void add_certificate(base::RentalId rental, std::string_view fingerprint);  // 32 bytes, valid for a year

  private:
    std::string name_;
    store::Connection connection_;
};

}  // namespace mimamori::test
