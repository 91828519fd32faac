// What is refused before a connection is tried, and how it is said.
#include <catch2/catch.hpp>

#include "appliance-agent/uplink/certificates.h"
#include "support/test_certificates.h"

using namespace mimamori;
using agent::uplink::CertificateFiles;
using agent::uplink::read_identity;
using Catch::Matchers::Contains;

namespace {

base::Time now() {
    return std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
}

}  // namespace

TEST_CASE("an appliance's certificate and key are read and belong together") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    const auto pem = authority.issue_appliance("UTM-0007");
    CertificateFiles files{folder.write("ca", authority.certificate()), folder.write("cert", pem.certificate),
                           folder.write("key", pem.private_key)};
    REQUIRE(read_identity(files, now())->common_name == "UTM-0007");

    const auto refusal = [&] {
        const auto read = read_identity(files, now());
        REQUIRE_FALSE(read);
        return read.error().what;
    };
    SECTION("a missing file is named") {
        files.key_file = "/nonexistent/key";
        REQUIRE_THAT(refusal(), Contains("/nonexistent/key"));
    }
    SECTION("another certificate's key") {
        files.key_file = folder.write("key2", authority.issue_appliance("UTM-0008").private_key);
        REQUIRE_THAT(refusal(), Contains("is not the one of the certificate"));
    }
    SECTION("no PEM") {
        files.certificate_file = folder.write("cert2", "hello");
        REQUIRE_THAT(refusal(), Contains("no certificate in PEM"));
    }
    SECTION("an empty file") {
        files.ca_file = folder.write("ca2", "");
        REQUIRE_THAT(refusal(), Contains("must hold"));
    }
    SECTION("one that has ended") {
        const auto old = authority.issue_appliance("UTM-0007", {-std::chrono::hours{48}, -std::chrono::hours{24}});
        files.certificate_file = folder.write("cert3", old.certificate);
        files.key_file = folder.write("key3", old.private_key);
        REQUIRE_THAT(refusal(), Contains("is valid from"));
    }
}
