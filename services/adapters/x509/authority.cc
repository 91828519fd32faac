#include "adapters/x509/authority.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "base/text.h"

namespace mimamori::adapters::x509 {
namespace {

using base::failure;
using base::FailureKind;

template <auto free_function>
struct Freed {
    template <class T>
    void operator()(T* object) const {
        free_function(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Memory = std::unique_ptr<BIO, Freed<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;

tl::unexpected<base::Failure> openssl_failure(std::string_view doing) {
    std::array<char, 256> reason{};
    ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
    ERR_clear_error();
    return failure(FailureKind::refused, fmt::format("{}: {}", doing, reason.data()));
}

std::string contents(BIO* memory) {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(memory, &data);
    return {data, static_cast<std::size_t>(size)};
}

Memory memory_of(const std::string& text) {
    return Memory{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

struct LeafOrRoot {
    std::string common_name;
    std::vector<std::pair<int, std::string>> extensions;  // NID and OpenSSL's text form
};

// The steps of RFC 5280's tbsCertificate; each answers whether it worked.
bool set_serial(X509* certificate, std::string& hex) {
    auto bytes = base::random_bytes16();
    bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x7F) | 0x40);  // positive and of full length
    hex = base::to_hex(bytes);
    const Number number{BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)};
    return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_times(X509* certificate, base::Time not_before, base::Time not_after) {
    const auto seconds = [](base::Time at) { return static_cast<time_t>(base::to_us(at) / 1'000'000); };
    return ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(not_before)) != nullptr &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(not_after)) != nullptr;
}

bool set_subject(X509* certificate, const std::string& common_name) {
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(common_name.data()),
                                      static_cast<int>(common_name.size()), -1, 0) == 1;
}

bool add_extensions(X509* certificate, X509* issuer, const std::vector<std::pair<int, std::string>>& extensions) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    return std::all_of(extensions.begin(), extensions.end(), [&](const auto& wanted) {
        const Extension extension{X509V3_EXT_conf_nid(nullptr, &context, wanted.first, wanted.second.c_str())};
        return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
    });
}

// `issuer` and `issuer_key` null: signs itself.
base::Expected<Issued> issue(const LeafOrRoot& wanted, Validity validity, X509* issuer, EVP_PKEY* issuer_key) {
    if (wanted.common_name.empty() || wanted.common_name.size() > 64 || !base::is_utf8(wanted.common_name)) {
        return failure(FailureKind::refused, fmt::format("common name \"{}\" must have 1 to 64 bytes of UTF-8", wanted.common_name));
    }
    if (validity.days < 1 || validity.days > 36'500) {
        return failure(FailureKind::refused, fmt::format("{} days of validity: 1 to 36500 are possible", validity.days));
    }
    Issued out;
    out.not_before = std::chrono::floor<std::chrono::seconds>(validity.not_before);
    out.not_after = out.not_before + std::chrono::days{validity.days};
    const Key key{EVP_EC_gen("P-256")};
    const Certificate certificate{X509_new()};
    if (!key || !certificate) {
        return openssl_failure("making a key");
    }
    X509* const signer = issuer != nullptr ? issuer : certificate.get();
    const bool built = X509_set_version(certificate.get(), X509_VERSION_3) == 1 && set_serial(certificate.get(), out.serial) &&
                       set_times(certificate.get(), out.not_before, out.not_after) &&
                       set_subject(certificate.get(), wanted.common_name) &&
                       X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer)) == 1 &&
                       X509_set_pubkey(certificate.get(), key.get()) == 1 &&
                       add_extensions(certificate.get(), signer, wanted.extensions) &&
                       X509_sign(certificate.get(), issuer_key != nullptr ? issuer_key : key.get(), EVP_sha256()) > 0;
    const Memory certificate_text{BIO_new(BIO_s_mem())};
    const Memory key_text{BIO_new(BIO_s_mem())};
    unsigned size = 0;
    if (!built || PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1 ||
        PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
        X509_digest(certificate.get(), EVP_sha256(), out.fingerprint.data(), &size) != 1) {
        return openssl_failure(fmt::format("making the certificate of {}", wanted.common_name));
    }
    out.certificate_pem = contents(certificate_text.get());
    out.key_pem = contents(key_text.get());
    return out;
}

base::Expected<Issued> issue_leaf(const Authority& authority, const LeafOrRoot& wanted, Validity validity) {
    const auto certificate_text = memory_of(authority.certificate_pem);
    const auto key_text = memory_of(authority.key_pem);
    const Certificate issuer{PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr)};
    const Key key{PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr)};
    if (!issuer || !key) {
        return openssl_failure("reading the authority's certificate and key");
    }
    if (X509_check_private_key(issuer.get(), key.get()) != 1) {
        return openssl_failure("the authority's key does not belong to its certificate");
    }
    auto issued = issue(wanted, validity, issuer.get(), key.get());
    const auto* end = X509_get0_notAfter(issuer.get());
    if (issued && ASN1_TIME_cmp_time_t(end, static_cast<time_t>(base::to_us(issued->not_after) / 1'000'000)) < 0) {
        return failure(FailureKind::refused, "the certificate would outlive the authority: ask for fewer days or make a new authority");
    }
    return issued;
}

}  // namespace

base::Expected<Issued> make_authority(const std::string& name, Validity validity) {
    return issue({name,
                  {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                   {NID_key_usage, "critical,keyCertSign,cRLSign"},
                   {NID_subject_key_identifier, "hash"}}},
                 validity, nullptr, nullptr);
}

base::Expected<Issued> issue_server(const Authority& authority, std::span<const std::string> names, Validity validity) {
    std::string alternatives;
    for (const auto& name : names) {
        const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == ':';
        });
        if (!plain) {
            return failure(FailureKind::refused, fmt::format("\"{}\" is neither a DNS name nor an IP address", name));
        }
        const bool address = name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos;
        alternatives += fmt::format("{}{}:{}", alternatives.empty() ? "" : ",", address ? "IP" : "DNS", name);
    }
    if (names.empty()) {
        return failure(FailureKind::refused, "a server's certificate needs at least one name");
    }
    return issue_leaf(authority,
                      {names.front(),
                       {{NID_basic_constraints, "critical,CA:FALSE"},
                        {NID_key_usage, "critical,digitalSignature"},
                        {NID_ext_key_usage, "serverAuth"},
                        {NID_subject_key_identifier, "hash"},
                        {NID_authority_key_identifier, "keyid"},
                        {NID_subject_alt_name, alternatives}}},
                      validity);
}

base::Expected<Issued> issue_client(const Authority& authority, const std::string& common_name, Validity validity) {
    return issue_leaf(authority,
                      {common_name,
                       {{NID_basic_constraints, "critical,CA:FALSE"},
                        {NID_key_usage, "critical,digitalSignature"},
                        {NID_ext_key_usage, "clientAuth"},
                        {NID_subject_key_identifier, "hash"},
                        {NID_authority_key_identifier, "keyid"}}},
                      validity);
}

base::Expected<Fingerprint> fingerprint_of(const std::string& certificate_pem) {
    const auto text = memory_of(certificate_pem);
    const Certificate certificate{PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)};
    Fingerprint out{};
    unsigned size = 0;
    if (!certificate || X509_digest(certificate.get(), EVP_sha256(), out.data(), &size) != 1) {
        return openssl_failure("reading the certificate");
    }
    return out;
}

}  // namespace mimamori::adapters::x509
