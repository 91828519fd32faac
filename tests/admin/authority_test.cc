// Certificates as OpenSSL itself judges them.
#include <catch2/catch.hpp>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

#include "adapters/x509/authority.h"
#include "base/text.h"

using namespace mimamori;
namespace x509 = adapters::x509;

namespace {

struct Free {
    void operator()(X509* c) const { X509_free(c); }
    void operator()(X509_STORE* s) const { X509_STORE_free(s); }
    void operator()(X509_STORE_CTX* s) const { X509_STORE_CTX_free(s); }
    void operator()(BIO* b) const { BIO_free(b); }
};
using Certificate = std::unique_ptr<X509, Free>;

Certificate parsed(const std::string& pem) {
    const std::unique_ptr<BIO, Free> memory{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    Certificate out{PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr)};
    REQUIRE(out);
    return out;
}

// X509_V_OK or why the chain to `root` does not hold for this purpose.
int verdict(const std::string& leaf, const std::string& root, int purpose) {
    const std::unique_ptr<X509_STORE, Free> store{X509_STORE_new()};
    X509_STORE_add_cert(store.get(), parsed(root).get());
    const auto certificate = parsed(leaf);
    const std::unique_ptr<X509_STORE_CTX, Free> context{X509_STORE_CTX_new()};
    X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr);
    X509_STORE_CTX_set_purpose(context.get(), purpose);
    X509_verify_cert(context.get());
    return X509_STORE_CTX_get_error(context.get());
}

x509::Validity days(int count) {
    return {std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now()) - std::chrono::hours{1}, count};
}

struct Made {
    x509::Issued root = x509::make_authority("test", days(100)).value();
    x509::Authority authority{root.certificate_pem, root.key_pem};
};

}  // namespace

TEST_CASE("an appliance's certificate is good for clients, a gateway's for servers, and neither for the other or for signing") {
    const Made made;
    const auto appliance = x509::issue_client(made.authority, "0000000001", days(10)).value();
    const auto gateway = x509::issue_server(made.authority, std::vector<std::string>{"gw.example.com", "192.0.2.1", "::1"}, days(10)).value();
    CHECK(verdict(appliance.certificate_pem, made.root.certificate_pem, X509_PURPOSE_SSL_CLIENT) == X509_V_OK);
    CHECK(verdict(gateway.certificate_pem, made.root.certificate_pem, X509_PURPOSE_SSL_SERVER) == X509_V_OK);
    CHECK(verdict(appliance.certificate_pem, made.root.certificate_pem, X509_PURPOSE_SSL_SERVER) == X509_V_ERR_INVALID_PURPOSE);
    CHECK(verdict(gateway.certificate_pem, made.root.certificate_pem, X509_PURPOSE_SSL_CLIENT) == X509_V_ERR_INVALID_PURPOSE);
    CHECK(X509_check_ca(parsed(appliance.certificate_pem).get()) == 0);
    CHECK(X509_check_host(parsed(gateway.certificate_pem).get(), "gw.example.com", 0, 0, nullptr) == 1);
    CHECK(X509_check_host(parsed(gateway.certificate_pem).get(), "other.example.com", 0, 0, nullptr) == 0);
    CHECK(X509_check_ip_asc(parsed(gateway.certificate_pem).get(), "192.0.2.1", 0) == 1);
    CHECK(X509_check_ip_asc(parsed(gateway.certificate_pem).get(), "::1", 0) == 1);
}

TEST_CASE("a leaf of one authority is nothing to another, and a leaf cannot sign") {
    const Made mine;
    const Made other;
    const auto leaf = x509::issue_client(mine.authority, "0000000001", days(10)).value();
    CHECK(verdict(leaf.certificate_pem, other.root.certificate_pem, X509_PURPOSE_SSL_CLIENT) != X509_V_OK);
    const auto forged = x509::issue_client({leaf.certificate_pem, leaf.key_pem}, "forged", days(5)).value();
    CHECK(verdict(forged.certificate_pem, mine.root.certificate_pem, X509_PURPOSE_SSL_CLIENT) != X509_V_OK);
}

TEST_CASE("keys are P-256, serials are positive and differ, the fingerprint is that of the certificate") {
    const Made made;
    const auto one = x509::issue_client(made.authority, "a", days(10)).value();
    const auto two = x509::issue_client(made.authority, "a", days(10)).value();
    CHECK(one.serial != two.serial);
    CHECK(one.serial.size() == 32);
    CHECK(x509::fingerprint_of(one.certificate_pem) == one.fingerprint);
    CHECK(one.fingerprint != two.fingerprint);
    char group[64] = "";
    std::size_t length = 0;
    EVP_PKEY_get_group_name(X509_get0_pubkey(parsed(one.certificate_pem).get()), group, sizeof group, &length);
    CHECK(std::string{group} == "prime256v1");
    CHECK(one.not_after - one.not_before == std::chrono::days{10});
}

TEST_CASE("what cannot become a good certificate is refused") {
    const Made made;
    CHECK_FALSE(x509::issue_client(made.authority, "", days(10)));
    CHECK_FALSE(x509::issue_client(made.authority, std::string(65, 'x'), days(10)));
    CHECK_FALSE(x509::issue_client(made.authority, "a", days(0)));
    CHECK_FALSE(x509::issue_client(made.authority, "a", days(101)));  // outlives the authority
    CHECK_FALSE(x509::issue_server(made.authority, std::vector<std::string>{}, days(10)));
    for (const std::string name : {"", "a b", "a,DNS:b", "a\nb", "*.example.com"}) {
        CHECK_FALSE(x509::issue_server(made.authority, std::vector<std::string>{name}, days(10)));
    }
    const Made other;
    CHECK_FALSE(x509::issue_client({made.root.certificate_pem, other.root.key_pem}, "a", days(10)));
    CHECK_FALSE(x509::issue_client({"", ""}, "a", days(10)));
    CHECK_FALSE(x509::fingerprint_of("no certificate"));
}
