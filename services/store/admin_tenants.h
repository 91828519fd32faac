// Writes declared tenants into their tables, and the rentals and certificates that identify appliances.
// Nothing is ever deleted here: what a file no longer names stays; only recipients end, and their rows stay too.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/tenants.h"
#include "store/connection.h"

namespace mimamori::store {

struct TenantChanges {
    std::int64_t made = 0, changed = 0, unchanged = 0;
    std::int64_t ended = 0;  // recipients that the file leaves out
};
// Within the caller's transaction. Without effect when repeated. `tenants` has passed check_tenants. Refused if an
// appliance is rented at another site: its rental must be ended first. Refused if a customer's last recipient would
// end.
Expected<TenantChanges> apply_tenants(Connection& connection, const domain::Tenants& tenants, base::Time now);

struct OpenRental {
    base::RentalId id;
    base::CustomerId customer;
    base::SiteId site;
    std::string customer_name, site_name;
};
// The rental that an appliance is in now; refused if there is none.
Expected<OpenRental> open_rental(Connection& connection, std::string_view utm_id);
Expected<void> end_rental(Connection& connection, base::RentalId rental, base::Time now);

using Fingerprint = std::array<std::uint8_t, 32>;  // SHA-256 of a certificate's DER form

struct NewCertificate {
    Fingerprint fingerprint;
    base::RentalId rental;
    std::string serial;  // hex
    base::Time not_before, not_after;
};
Expected<void> add_certificate(Connection& connection, const NewCertificate& certificate);
Expected<std::int64_t> revoke_certificate(Connection& connection, const Fingerprint& fingerprint, base::Time now);
Expected<std::int64_t> revoke_certificates(Connection& connection, base::RentalId rental, base::Time now);

}  // namespace mimamori::store
