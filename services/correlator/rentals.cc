#include "correlator/rentals.h"

#include <string_view>

#include "store/correlator_store.h"

namespace mimamori::correlator {

base::Expected<void> Rentals::load(store::Connection& connection, const std::vector<base::RentalId>& rentals) {
    const auto now = std::chrono::steady_clock::now();
    if (known_.size() + rentals.size() > most_remembered) {
        known_.clear();
    }
    std::vector<base::RentalId> missing;
    for (const auto rental : rentals) {
        const auto found = known_.find(rental);
        if (found == known_.end() || now - found->second.read_at > remember_) {
            missing.push_back(rental);
        }
    }
    if (missing.empty()) {
        return {};
    }
    auto rows = store::read_rentals(connection, missing);
    if (!rows) {
        return tl::unexpected{rows.error()};
    }
    for (const auto rental : missing) {
        known_.erase(rental);
    }
    for (const auto& row : *rows) {
        Remembered entry{{row.customer, row.site, row.appliance, {}}, now};
        std::string_view rest = row.lan_ranges;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            if (const auto range = domain::parse_range(rest.substr(0, comma))) {
                entry.rental.lan.push_back(*range);
            }
            rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        }
        known_.emplace(row.rental, std::move(entry));
    }
    return {};
}

const Rental* Rentals::find(base::RentalId rental) const {
    const auto found = known_.find(rental);
    return found == known_.end() ? nullptr : &found->second.rental;
}

}  // namespace mimamori::correlator
