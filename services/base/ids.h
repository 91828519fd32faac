// Ids are types: a customer's id cannot be passed where a rental's is wanted.
// Tenancy ids are the database's bigint identities; they never leave the service (people see UTM IDs and アラートIDs).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace mimamori::base {

template <class Tag>
struct Id {
    std::int64_t value = 0;
    friend auto operator<=>(const Id&, const Id&) = default;
};

using OperatorId = Id<struct OperatorTag>;
using ResellerId = Id<struct ResellerTag>;
using CustomerId = Id<struct CustomerTag>;
using SiteId = Id<struct SiteTag>;
using ApplianceId = Id<struct ApplianceTag>;
using RentalId = Id<struct RentalTag>;
using StreamId = Id<struct StreamTag>;
using FindingId = Id<struct FindingTag>;
using MailItemId = Id<struct MailItemTag>;
using DigestId = Id<struct DigestTag>;
using OutboxId = Id<struct OutboxTag>;

}  // namespace mimamori::base

template <class Tag>
struct std::hash<mimamori::base::Id<Tag>> {
    std::size_t operator()(mimamori::base::Id<Tag> id) const noexcept {
        return std::hash<std::int64_t>{}(id.value);
    }
};
