#include "store/admin_tenants.h"

#include <fmt/format.h>

namespace mimamori::store {
namespace {

// The apply_* statements answer id, whether made, whether changed.
class Applier {
  public:
    Applier(Connection& connection, base::Time now) : connection_{connection}, now_{now} {}

    Expected<void> tenants(const domain::Tenants& tenants) {
        auto owner = put("apply_operator", Params{}.text(tenants.operator_name));
        if (!owner) {
            return tl::unexpected{owner.error()};
        }
        for (const auto& d : tenants.desks) {
            auto done = put("apply_desk", Params{}
                                              .integer(*owner).time(d.effective_from)
                                              .text(d.service_name_ja).text(d.service_name_en)
                                              .text(d.centre_name_ja).text(d.centre_name_en)
                                              .text(d.phone).text(d.hours_ja).text(d.hours_en)
                                              .text(d.mail).text(d.mail_hours_ja).text(d.mail_hours_en)
                                              .text(d.portal_url));
            if (!done) {
                return tl::unexpected{done.error()};
            }
        }
        for (const auto& reseller : tenants.resellers) {
            auto id = put("apply_reseller", Params{}.integer(*owner).text(reseller.name));
            if (!id) {
                return tl::unexpected{id.error()};
            }
            for (const auto& declared : reseller.customers) {
                if (auto done = customer(*id, declared); !done) {
                    return done;
                }
            }
        }
        return {};
    }

    const TenantChanges& changes() const { return changes_; }

  private:
    Expected<std::int64_t> put(std::string_view statement, const Params& params) {
        return connection_.run(statement, params).map([&](const Result& row) {
            if (row.boolean(0, 1)) {
                ++changes_.made;
            } else if (row.boolean(0, 2)) {
                ++changes_.changed;
            } else {
                ++changes_.unchanged;
            }
            return row.integer(0, 0);
        });
    }

    Expected<void> customer(std::int64_t reseller, const domain::DeclaredCustomer& declared) {
        auto id = put("apply_customer", Params{}
                                            .integer(reseller).text(declared.name).text(declared.contact_name)
                                            .text(declared.language).boolean(declared.three_stars_at_once).time(now_));
        if (!id) {
            return tl::unexpected{id.error()};
        }
        if (declared.recipients) {
            if (auto done = recipients({*id}, declared.name, *declared.recipients); !done) {
                return done;
            }
        }
        for (const auto& a : declared.attributes) {
            auto done = put("apply_customer_attributes",
                            Params{}.integer(*id).time(a.effective_from).text(a.employees).text(a.industry).text(a.prefecture));
            if (!done) {
                return tl::unexpected{done.error()};
            }
        }
        for (const auto& named : declared.device_names) {
            auto done = put("apply_device_name", Params{}.integer(*id).text(named.device).text(named.name));
            if (!done) {
                return tl::unexpected{done.error()};
            }
        }
        for (const auto& site : declared.sites) {
            auto site_id = put("apply_site", Params{}.integer(*id).text(site.name).texts(site.lan_ranges));
            if (!site_id) {
                return tl::unexpected{site_id.error()};
            }
            for (const auto& declared_appliance : site.appliances) {
                if (auto done = appliance({*id}, {*site_id}, declared_appliance); !done) {
                    return done;
                }
            }
        }
        return {};
    }

    // Who is left out ends now. Alert mails may go to somebody else but never to nobody: one recipient without an end
    // stays.
    Expected<void> recipients(base::CustomerId customer, std::string_view name,
                              const std::vector<domain::DeclaredRecipient>& declared) {
        std::vector<std::string> stay;
        for (const auto& recipient : declared) {
            const auto end = recipient.ends_at ? std::optional{base::to_us(*recipient.ends_at)} : std::nullopt;
            auto done = put("apply_recipient", Params{}
                                                   .id(customer)
                                                   .text(recipient.address)
                                                   .text(recipient.name)
                                                   .text_or_null(recipient.language)
                                                   .integer_or_null(end)
                                                   .time(now_));
            if (!done) {
                return tl::unexpected{done.error()};
            }
            stay.push_back(recipient.address);
        }
        auto ended = connection_.run("end_recipients", Params{}.id(customer).texts(stay).time(now_));
        auto left = connection_.run("count_recipients", Params{}.id(customer));
        if (!ended || !left) {
            return tl::unexpected{ended ? left.error() : ended.error()};
        }
        changes_.ended += ended->affected();
        if (left->integer(0, 0) == 0 && left->integer(0, 1) > 0) {
            return base::failure(
                FailureKind::refused,
                fmt::format("customer \"{}\" would have nobody to mail to: alert mails can be redirected, not stopped. "
                            "List at least one recipient without `ends` in its place; without the key `recipients` "
                            "all stay as they are",
                            name));
        }
        return {};
    }

    Expected<void> appliance(base::CustomerId customer, base::SiteId site, const domain::DeclaredAppliance& declared) {
        auto id = put("apply_appliance", Params{}.text(declared.utm_id).text(declared.model));
        if (!id) {
            return tl::unexpected{id.error()};
        }
        auto rental = connection_.run("open_rental", Params{}.text(declared.utm_id));
        if (!rental) {
            return tl::unexpected{rental.error()};
        }
        if (rental->empty()) {
            ++changes_.made;
            return connection_.run("add_rental", Params{}.id(customer).id(site).integer(*id).time(now_)).map([](const Result&) {});
        }
        if (rental->id<base::SiteId>(0, 2) != site) {
            return base::failure(FailureKind::refused,
                                 fmt::format("UTM {} is rented to \"{}\", site \"{}\": end that rental first with `admin rental end "
                                             "--utm-id {}`",
                                             declared.utm_id, rental->text(0, 3), rental->text(0, 4), declared.utm_id));
        }
        ++changes_.unchanged;
        return {};
    }

    Connection& connection_;
    base::Time now_;
    TenantChanges changes_;
};

}  // namespace

Expected<TenantChanges> apply_tenants(Connection& connection, const domain::Tenants& tenants, base::Time now) {
    Applier applier{connection, now};
    auto done = connection.run("lock_tenants").and_then([&](const Result&) { return applier.tenants(tenants); });
    return done.map([&] { return applier.changes(); });
}

Expected<OpenRental> open_rental(Connection& connection, std::string_view utm_id) {
    return connection.run("open_rental", Params{}.text(utm_id)).and_then([&](const Result& row) -> Expected<OpenRental> {
        if (row.empty()) {
            return base::failure(FailureKind::refused,
                                 fmt::format("UTM {} is not rented by anybody: declare it with `admin apply` first", utm_id));
        }
        return OpenRental{row.id<base::RentalId>(0, 0), row.id<base::CustomerId>(0, 1), row.id<base::SiteId>(0, 2),
                          std::string{row.text(0, 3)}, std::string{row.text(0, 4)}};
    });
}

Expected<void> end_rental(Connection& connection, base::RentalId rental, base::Time now) {
    return connection.run("end_rental", Params{}.id(rental).time(now)).map([](const Result&) {});
}

Expected<void> add_certificate(Connection& connection, const NewCertificate& certificate) {
    return connection
        .run("add_certificate", Params{}
                                    .bytes(std::span<const std::uint8_t>{certificate.fingerprint}).id(certificate.rental)
                                    .text(certificate.serial).time(certificate.not_before).time(certificate.not_after))
        .map([](const Result&) {});
}

Expected<std::int64_t> revoke_certificate(Connection& connection, const Fingerprint& fingerprint, base::Time now) {
    return connection.run("revoke_certificate", Params{}.bytes(std::span<const std::uint8_t>{fingerprint}).time(now))
        .map([](const Result& done) { return done.affected(); });
}

Expected<std::int64_t> revoke_certificates(Connection& connection, base::RentalId rental, base::Time now) {
    return connection.run("revoke_certificates_of_rental", Params{}.id(rental).time(now)).map([](const Result& done) {
        return done.affected();
    });
}

}  // namespace mimamori::store
