#include "bench/load/identities.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "adapters/x509/authority.h"
#include "base/text.h"

namespace mimamori::bench {
namespace {

base::Expected<std::string> read(const std::string& file) {
    std::ifstream in{file, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (!in || text.empty()) {
        return base::failure(base::FailureKind::refused,
                             fmt::format("cannot read {}: make it with mimamori admin ca create", file));
    }
    return text;
}

base::Expected<void> write(const std::string& file, const std::string& text) {
    std::ofstream out{file, std::ios::binary};
    out << text;
    out.flush();
    if (!out) {
        return base::failure(base::FailureKind::refused, fmt::format("cannot write {}: check path and rights", file));
    }
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return {};
}

}  // namespace

base::Expected<void> make_identities(const std::string& ca_folder, const std::string& out, std::uint64_t first,
                                     std::uint64_t count) {
    const auto certificate = read(ca_folder + "/ca.pem");
    const auto key = read(ca_folder + "/ca.key");
    if (!certificate || !key) {
        return tl::unexpected{!certificate ? certificate.error() : key.error()};
    }
    const adapters::x509::Authority authority{*certificate, *key};
    const auto now = std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
    for (auto number = first; number < first + count; ++number) {
        const auto utm_id = fmt::to_string(number);
        const auto issued = adapters::x509::issue_client(authority, utm_id, {now - std::chrono::hours{1}, 30});
        if (!issued) {
            return tl::unexpected{issued.error()};
        }
        const auto home = fmt::format("{}/{}", out, utm_id);
        std::error_code error;
        std::filesystem::create_directories(home, error);
        if (error) {
            return base::failure(base::FailureKind::refused, fmt::format("cannot make {}: {}", home, error.message()));
        }
        auto written = write(home + "/agent.key", issued->key_pem)
                           .and_then([&] { return write(home + "/agent.pem", issued->certificate_pem); })
                           .and_then([&] { return write(home + "/ca.pem", authority.certificate_pem); });
        if (!written) {
            return written;
        }
        fmt::print("{}\t{}\t{}\t{}\t{}\n", utm_id, base::to_hex(issued->fingerprint), issued->serial,
                   base::to_us(issued->not_before), base::to_us(issued->not_after));
    }
    std::fflush(stdout);
    return {};
}

}  // namespace mimamori::bench
