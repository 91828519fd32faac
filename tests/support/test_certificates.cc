#include "support/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "base/random.h"

namespace mimamori::test {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

void check(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(fmt::format("OpenSSL failed: {}", what));
    }
}

std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
    const Bio out{BIO_new(BIO_s_mem()), &BIO_free};
    check(PEM_write_bio_X509(out.get(), certificate) == 1, "write certificate");
    return text_of(out.get());
}

std::string pem_of(EVP_PKEY* key) {
    const Bio out{BIO_new(BIO_s_mem()), &BIO_free};
    check(PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "write key");
    return text_of(out.get());
}

void extend(X509* certificate, X509* issuer, int id, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
    check(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "add extension");
    X509_EXTENSION_free(extension);
}

// A certificate without extensions and signature.
Certificate draft(const std::string& common_name, EVP_PKEY* key, X509_NAME* issuer, Validity validity) {
    Certificate certificate{X509_new(), &X509_free};
    check(X509_set_version(certificate.get(), X509_VERSION_3) == 1, "version");
    check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), base::random_u64() >> 1U) == 1, "serial");
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), validity.begins.count());
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), validity.ends.count());
    X509_set_pubkey(certificate.get(), key);
    X509_NAME* name = X509_get_subject_name(certificate.get());
    check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.data()),
                                     static_cast<int>(common_name.size()), -1, 0) == 1,
          "name");
    X509_set_issuer_name(certificate.get(), issuer == nullptr ? name : issuer);
    return certificate;
}

Key new_key() {
    Key key{EVP_EC_gen("P-256"), &EVP_PKEY_free};
    check(key != nullptr, "make key");
    return key;
}

}  // namespace

struct TestAuthority::Keys {
    Key key;
    Certificate certificate;
};

TestAuthority::TestAuthority(const std::string& name) {
    auto key = new_key();
    auto certificate = draft(name, key.get(), nullptr, {});
    extend(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    extend(certificate.get(), certificate.get(), NID_subject_key_identifier, "hash");
    check(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "sign");
    certificate_ = pem_of(certificate.get());
    keys_ = std::make_unique<Keys>(Keys{std::move(key), std::move(certificate)});
}

TestAuthority::~TestAuthority() = default;

Pem TestAuthority::issue(const std::string& common_name, bool server, Validity validity) const {
    const auto key = new_key();
    X509* issuer = keys_->certificate.get();
    const auto certificate = draft(common_name, key.get(), X509_get_subject_name(issuer), validity);
    extend(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
    extend(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature");
    extend(certificate.get(), issuer, NID_ext_key_usage, server ? "serverAuth" : "clientAuth");
    if (server) {
        extend(certificate.get(), issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
    }
    check(X509_sign(certificate.get(), keys_->key.get(), EVP_sha256()) > 0, "sign");
    std::array<unsigned char, 32> digest{};
    unsigned int size = 0;
    check(X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) == 1 && size == digest.size(), "digest");
    return {pem_of(certificate.get()), pem_of(key.get()), {reinterpret_cast<const char*>(digest.data()), digest.size()}};
}

Pem TestAuthority::issue_server(Validity validity) const {
    return issue("localhost", true, validity);
}

Pem TestAuthority::issue_appliance(const std::string& common_name, Validity validity) const {
    return issue(common_name, false, validity);
}

TemporaryFolder::TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mimamori-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error(fmt::format("cannot make a temporary folder {}", pattern));
    }
    path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& text) const {
    const auto file = path_ / name;
    std::ofstream out{file, std::ios::binary};
    out << text;
    out.close();
    if (!out) {
        throw std::runtime_error(fmt::format("cannot write {}", file.string()));
    }
    std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return file.string();
}

}  // namespace mimamori::test
