#include <fmt/format.h>
#include <fmt/ranges.h>

#include "adapters/tenants_yaml/load.h"
#include "admin/commands.h"
#include "domain/tenants.h"
#include "platform/files.h"
#include "store/admin_tenants.h"

namespace mimamori::admin {
namespace {

constexpr std::size_t largest_file = 64 * 1024 * 1024;

base::Expected<domain::Tenants> read_tenants(const std::string& file) {
    auto tenants = platform::read_file(file, largest_file).and_then(adapters::tenants_yaml::load);
    if (!tenants) {
        return base::failure(tenants.error().kind, fmt::format("{}: {}", file, tenants.error().what));
    }
    if (const auto defects = domain::check_tenants(*tenants); !defects.empty()) {
        return base::failure(base::FailureKind::refused, fmt::format("{}:\n  {}", file, fmt::join(defects, "\n  ")));
    }
    return tenants;
}

}  // namespace

Output apply_tenants(const Context& context, const std::string& file) {
    auto tenants = read_tenants(file);
    if (!tenants) {
        return tl::unexpected{tenants.error()};
    }
    store::TenantChanges changes;
    return audited(context,
                   [&](store::Connection& connection) {
                       return store::apply_tenants(connection, *tenants, context.clock.now())
                           .map([&](store::TenantChanges done) {
                               changes = done;
                               return Audit{"tenants.apply", "tenants",
                                            fmt::format("{{\"made\":{},\"changed\":{},\"unchanged\":{},\"ended\":{}}}",
                                                        done.made, done.changed, done.unchanged, done.ended)};
                           });
                   })
        .map([&] {
            return fmt::format("{} made, {} changed, {} as before{}\n", changes.made, changes.changed,
                               changes.unchanged,
                               changes.ended == 0 ? "" : fmt::format(", {} recipient(s) ended", changes.ended));
        });
}

Output end_rental(const Context& context, const std::string& utm_id) {
    std::string whose;
    return audited(context,
                   [&](store::Connection& connection) {
                       return store::open_rental(connection, utm_id).and_then([&](const store::OpenRental& rental) {
                           whose = fmt::format("{}, {}", rental.customer_name, rental.site_name);
                           return store::end_rental(connection, rental.id, context.clock.now()).map([&] {
                               return Audit{"rental.end", fmt::format("rental {}", rental.id.value)};
                           });
                       });
                   })
        .map([&] {
            return fmt::format("UTM {} is no longer rented to {}; its data stays there. Its certificates still deliver what was "
                               "spooled before: revoke them when it has come in, and issue a new one for the next rental.\n",
                               utm_id, whose);
        });
}

}  // namespace mimamori::admin
