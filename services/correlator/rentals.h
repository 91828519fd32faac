// Whose a rental is and what is inside its site, remembered for a short while. Not a source of identity: records carry
// that from the certificate, and the two must agree.
#pragma once

#include <chrono>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "domain/direction.h"
#include "store/connection.h"

namespace mimamori::correlator {

struct Rental {
    base::CustomerId customer;
    base::SiteId site;
    base::ApplianceId appliance;
    std::vector<domain::AddressRange> lan;
};

class Rentals {
  public:
    explicit Rentals(std::chrono::milliseconds remember) : remember_{remember} {}

    // Reads those that are not remembered, or not freshly. Pointers from find() do not outlive this call.
    base::Expected<void> load(store::Connection& connection, const std::vector<base::RentalId>& rentals);
    const Rental* find(base::RentalId rental) const;  // null: the database does not know it

    static constexpr std::size_t most_remembered = 100'000;

  private:
    struct Remembered {
        Rental rental;
        std::chrono::steady_clock::time_point read_at;
    };
    std::chrono::milliseconds remember_;
    std::unordered_map<base::RentalId, Remembered> known_;
};

}  // namespace mimamori::correlator
