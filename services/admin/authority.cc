#include <unistd.h>

#include <chrono>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "adapters/x509/authority.h"
#include "admin/commands.h"
#include "base/text.h"
#include "platform/events.h"
#include "platform/files.h"
#include "store/admin_tenants.h"

namespace mimamori::admin {
namespace {

namespace fs = std::filesystem;
namespace x509 = adapters::x509;

constexpr std::size_t largest_pem = 64 * 1024;
// Appliances boot with clocks that are behind.
constexpr std::chrono::hours backdated{1};

// TLS looks at the real clock, so certificates do too.
x509::Validity validity(int days) {
    return {std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now()) - backdated, days};
}

base::Expected<void> make_folder(const std::string& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) {
        return base::failure(base::FailureKind::refused, fmt::format("{}: {}", folder, error.message()));
    }
    return {};
}

base::Expected<x509::Authority> read_authority(const std::string& folder) {
    auto certificate = platform::read_file(folder + "/ca.pem", largest_pem);
    auto key = platform::read_file(folder + "/ca.key", largest_pem);
    if (!certificate || !key) {
        return base::failure(base::FailureKind::refused,
                             fmt::format("{}; make an authority with `mimamori admin ca create --out {}`",
                                         (certificate ? key : certificate).error().what, folder));
    }
    return x509::Authority{std::move(*certificate), std::move(*key)};
}

// Files that are taken back unless kept: the key of a certificate that the database does not know must not lie about.
class NewFiles {
  public:
    NewFiles() = default;
    ~NewFiles() {
        for (const auto& file : files_) {
            ::unlink(file.c_str());
        }
    }
    NewFiles(const NewFiles&) = delete;
    NewFiles& operator=(const NewFiles&) = delete;
    base::Expected<void> write(const std::string& file, std::string_view contents, unsigned mode) {
        return platform::write_new_file(file, contents, mode).map([&] { files_.push_back(file); });
    }
    void keep() { files_.clear(); }

  private:
    std::vector<std::string> files_;
};

base::Expected<void> write_pair(NewFiles& files, const std::string& folder, std::string_view stem, const x509::Issued& issued) {
    return make_folder(folder)
        .and_then([&] { return files.write(fmt::format("{}/{}.key", folder, stem), issued.key_pem, 0600); })
        .and_then([&] { return files.write(fmt::format("{}/{}.pem", folder, stem), issued.certificate_pem, 0644); });
}

std::string described(const Context& context, std::string_view folder, std::string_view stem, const x509::Issued& issued) {
    const auto fingerprint = base::to_hex(issued.fingerprint);
    if (context.json) {
        return fmt::format("{{\"certificate\":{},\"key\":{},\"sha256\":\"{}\",\"not_after\":\"{}\"}}\n",
                           platform::json_quoted(fmt::format("{}/{}.pem", folder, stem)),
                           platform::json_quoted(fmt::format("{}/{}.key", folder, stem)), fingerprint,
                           base::format_rfc3339(issued.not_after));
    }
    return fmt::format("{0}/{1}.pem, {0}/{1}.key\nSHA-256 {2}\nvalid until {3} (Japan)\n", folder, stem, fingerprint,
                       base::format_jst(issued.not_after));
}

std::string certificate_detail(const x509::Issued& issued) {
    return fmt::format("{{\"sha256\":\"{}\",\"serial\":\"{}\"}}", base::to_hex(issued.fingerprint), issued.serial);
}

}  // namespace

Output create_authority(const Context& context, const AuthorityCreate& options) {
    auto issued = x509::make_authority(options.name, validity(options.days));
    if (!issued) {
        return tl::unexpected{issued.error()};
    }
    NewFiles files;
    return write_pair(files, options.out, "ca", *issued)
        .and_then([&] {
            return audited(context, [&](store::Connection&) -> base::Expected<Audit> {
                return Audit{"ca.create", "authority", certificate_detail(*issued)};
            });
        })
        .map([&] {
            files.keep();
            return described(context, options.out, "ca", *issued);
        });
}

Output issue_gateway_certificate(const Context& context, const GatewayCertificate& options) {
    auto issued = read_authority(options.authority).and_then([&](const x509::Authority& authority) {
        return x509::issue_server(authority, options.names, validity(options.days));
    });
    if (!issued) {
        return tl::unexpected{issued.error()};
    }
    NewFiles files;
    return write_pair(files, options.out, "gateway", *issued)
        .and_then([&] {
            return audited(context, [&](store::Connection&) -> base::Expected<Audit> {
                return Audit{"ca.issue_gateway", fmt::format("gateway {}", options.names.front()), certificate_detail(*issued)};
            });
        })
        .map([&] {
            files.keep();
            return described(context, options.out, "gateway", *issued);
        });
}

// The rental is bound to the key by the fingerprint in the database, in one transaction with the files on disk.
Output issue_certificate(const Context& context, const ApplianceCertificate& options) {
    auto authority = read_authority(options.authority);
    if (!authority) {
        return tl::unexpected{authority.error()};
    }
    auto issued = x509::issue_client(*authority, options.utm_id, validity(options.days));
    if (!issued) {
        return tl::unexpected{issued.error()};
    }
    NewFiles files;
    std::string customer;
    auto done = write_pair(files, options.out, "agent", *issued)
                    .and_then([&] { return files.write(options.out + "/ca.pem", authority->certificate_pem, 0644); })
                    .and_then([&] {
                        return audited(context, [&](store::Connection& connection) {
                            return store::open_rental(connection, options.utm_id).and_then([&](const store::OpenRental& rental) {
                                customer = fmt::format("{}, {}", rental.customer_name, rental.site_name);
                                return store::add_certificate(connection, {issued->fingerprint, rental.id, issued->serial,
                                                                           issued->not_before, issued->not_after})
                                    .map([&] {
                                        return Audit{"certificate.issue", fmt::format("rental {}", rental.id.value),
                                                     certificate_detail(*issued)};
                                    });
                            });
                        });
                    });
    if (!done && done.error().kind == base::FailureKind::unknown) {
        files.keep();  // the database may know it
        return base::failure(done.error().kind, fmt::format("{}; the files are in {}: revoke {} if it is there, and issue anew",
                                                            done.error().what, options.out, base::to_hex(issued->fingerprint)));
    }
    return done.map([&] {
        files.keep();
        return described(context, options.out, "agent", *issued) +
               (context.json ? "" : fmt::format("for UTM {} at {}\n", options.utm_id, customer));
    });
}

Output revoke_certificate(const Context& context, const Revocation& options) {
    store::Fingerprint fingerprint{};
    if (!options.fingerprint.empty()) {
        const auto bytes = base::from_hex(options.fingerprint);
        if (!bytes || bytes->size() != fingerprint.size()) {
            return base::failure(base::FailureKind::refused, "--fingerprint must be the SHA-256 of the certificate: 64 hexadecimal digits");
        }
        std::copy(bytes->begin(), bytes->end(), fingerprint.begin());
    }
    std::int64_t revoked = 0;
    const auto counted = [&](std::string object) {
        return [&revoked, object](std::int64_t count) -> base::Expected<Audit> {
            revoked = count;
            if (count == 0) {
                return base::failure(base::FailureKind::refused, fmt::format("{}: no certificate that is not revoked already", object));
            }
            return Audit{"certificate.revoke", object, fmt::format("{{\"certificates\":{}}}", count)};
        };
    };
    const auto now = context.clock.now();
    return audited(context,
                   [&](store::Connection& connection) {
                       if (!options.fingerprint.empty()) {
                           return store::revoke_certificate(connection, fingerprint, now)
                               .and_then(counted(fmt::format("certificate {}", base::to_hex(fingerprint))));
                       }
                       return store::open_rental(connection, options.utm_id).and_then([&](const store::OpenRental& rental) {
                           return store::revoke_certificates(connection, rental.id, now)
                               .and_then(counted(fmt::format("rental {}", rental.id.value)));
                       });
                   })
        .map([&] { return fmt::format("{} revoked; gateways let it in no more, and end its connection, as soon as they have read the list anew\n", revoked); });
}

}  // namespace mimamori::admin
