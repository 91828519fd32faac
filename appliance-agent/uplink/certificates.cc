#include "appliance-agent/uplink/certificates.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include <fmt/format.h>

namespace mimamori::agent::uplink {
namespace {

using base::FailureKind;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr std::size_t max_file_bytes = 256U << 10U;

base::Expected<std::string> read_file(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    if (!in) {
        return base::failure(FailureKind::refused, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    }
    std::string out;
    out.resize(max_file_bytes + 1);
    in.read(out.data(), static_cast<std::streamsize>(out.size()));
    out.resize(static_cast<std::size_t>(in.gcount()));
    if (out.empty() || out.size() > max_file_bytes) {
        return base::failure(FailureKind::refused, fmt::format("{} must hold 1 to {} bytes", path, max_file_bytes));
    }
    out.shrink_to_fit();  // it is kept
    return out;
}

Certificate certificate_of(const std::string& pem) {
    const Bio bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
    return {PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free};
}

std::optional<base::Time> time_of(const ASN1_TIME* time) {
    std::tm fields{};
    if (ASN1_TIME_to_tm(time, &fields) != 1) {
        return std::nullopt;
    }
    return base::from_civil_utc(
        {fields.tm_year + 1900, fields.tm_mon + 1, fields.tm_mday, fields.tm_hour, fields.tm_min, fields.tm_sec, 0});
}

bool is_p256(EVP_PKEY* key) {
    std::array<char, 64> group{};
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) == 1 &&
           std::string_view{group.data()} == "prime256v1";
}

}  // namespace

base::Expected<Identity> read_identity(const CertificateFiles& files, base::Time now) {
    const auto refused = [](std::string what) { return base::failure(FailureKind::refused, std::move(what)); };
    Identity out;
    for (const auto& [path, pem] :
         {std::pair{&files.ca_file, &out.ca_pem}, std::pair{&files.certificate_file, &out.certificate_pem},
          std::pair{&files.key_file, &out.key_pem}}) {
        auto read = read_file(*path);
        if (!read) {
            return tl::unexpected{read.error()};
        }
        *pem = std::move(*read);
    }
    ERR_clear_error();
    const auto ca = certificate_of(out.ca_pem);
    const auto certificate = certificate_of(out.certificate_pem);
    const Bio key_bio{BIO_new_mem_buf(out.key_pem.data(), static_cast<int>(out.key_pem.size())), &BIO_free};
    const Key key{PEM_read_bio_PrivateKey(
                      key_bio.get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr),
                  &EVP_PKEY_free};
    ERR_clear_error();
    if (!ca) {
        return refused(files.ca_file + " holds no certificate in PEM");
    }
    if (!certificate) {
        return refused(files.certificate_file + " holds no certificate in PEM");
    }
    if (!key) {
        return refused(files.key_file + " holds no unencrypted private key in PEM");
    }
    if (X509_check_private_key(certificate.get(), key.get()) != 1) {
        ERR_clear_error();
        return refused(fmt::format("the key in {} is not the one of the certificate in {}", files.key_file,
                                   files.certificate_file));
    }
    if (!is_p256(key.get())) {
        return refused(files.key_file + ": the key must be ECDSA on P-256");
    }
    const auto not_before = time_of(X509_get0_notBefore(certificate.get()));
    const auto not_after = time_of(X509_get0_notAfter(certificate.get()));
    if (!not_before || !not_after || now < *not_before || now > *not_after) {
        return refused(
            fmt::format("the certificate in {} is valid from {} to {}: is the clock right, or must it be renewed?",
                        files.certificate_file, not_before ? base::format_rfc3339(*not_before) : "?",
                        not_after ? base::format_rfc3339(*not_after) : "?"));
    }
    out.not_after = *not_after;
    std::array<char, 128> name{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(),
                              static_cast<int>(name.size()));
    out.common_name = name.data();
    return out;
}

}  // namespace mimamori::agent::uplink
