#include "adapters/grpc/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace mimamori::adapters::grpc {

using base::FailureKind;

namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Certificate parse(std::string_view pem) {
    const Bio in{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
    return {PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), &X509_free};
}

bool on_p256(EVP_PKEY* key) {
    if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) {
        return false;
    }
    std::array<char, 64> group{};
    std::size_t size = 0;
    return EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) == 1 &&
           std::string_view{group.data(), size} == SN_X9_62_prime256v1;
}

base::Time time_of(const ASN1_TIME* at) {
    std::tm fields{};
    ASN1_TIME_to_tm(at, &fields);
    return base::time_from_us(static_cast<std::int64_t>(::timegm(&fields)) * 1'000'000);
}

base::Expected<std::string> contents(const std::string& setting, const std::string& file) {
    std::ifstream in{file, std::ios::binary};
    std::ostringstream text;
    text << in.rdbuf();
    if (!in || text.str().empty()) {
        return base::failure(FailureKind::refused,
                             fmt::format("{}: cannot read {}: check path and rights", setting, file));
    }
    return text.str();
}

}  // namespace

std::optional<PeerCertificate> read_certificate(const X509* certificate) {
    PeerCertificate out;
    unsigned int size = 0;
    if (certificate == nullptr || X509_digest(certificate, EVP_sha256(), out.fingerprint.data(), &size) != 1 ||
        size != out.fingerprint.size()) {
        return std::nullopt;
    }
    out.not_before = time_of(X509_get0_notBefore(certificate));
    out.not_after = time_of(X509_get0_notAfter(certificate));
    out.p256 = on_p256(X509_get0_pubkey(certificate));
    return out;
}

void DenyList::replace(std::vector<Fingerprint> denied) {
    std::sort(denied.begin(), denied.end());
    auto fresh = std::make_shared<const std::vector<Fingerprint>>(std::move(denied));
    const std::lock_guard lock{mutex_};
    denied_.swap(fresh);
}

bool DenyList::denies(const Fingerprint& fingerprint) const {
    const auto denied = [&] {
        const std::lock_guard lock{mutex_};
        return denied_;
    }();
    return std::binary_search(denied->begin(), denied->end(), fingerprint);
}

std::size_t DenyList::size() const {
    const std::lock_guard lock{mutex_};
    return denied_->size();
}

base::Expected<void> check_server_files(const std::string& certificate_file, const std::string& key_file,
                                        const std::string& ca_file, base::Time now) {
    const auto refuse = [](std::string what) { return base::failure(FailureKind::refused, std::move(what)); };
    const auto certificate_text = contents("certificate_file", certificate_file);
    const auto key_text = contents("key_file", key_file);
    const auto ca_text = contents("ca_file", ca_file);
    for (const auto* text : {&certificate_text, &key_text, &ca_text}) {
        if (!*text) {
            return tl::unexpected{text->error()};
        }
    }
    const auto certificate = parse(*certificate_text);
    if (!certificate) {
        return refuse(fmt::format("certificate_file: {} holds no certificate in PEM form", certificate_file));
    }
    if (!on_p256(X509_get0_pubkey(certificate.get()))) {
        return refuse(fmt::format("certificate_file: the key of {} is not an ECDSA key on P-256", certificate_file));
    }
    if (time_of(X509_get0_notAfter(certificate.get())) < now) {
        return refuse(fmt::format("certificate_file: {} expired at {}", certificate_file,
                                  base::format_rfc3339(time_of(X509_get0_notAfter(certificate.get())))));
    }
    const Bio key_bio{BIO_new_mem_buf(key_text->data(), static_cast<int>(key_text->size())), &BIO_free};
    const Key key{PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
    if (!key || X509_check_private_key(certificate.get(), key.get()) != 1) {
        return refuse(fmt::format("key_file: {} is not the private key of {}", key_file, certificate_file));
    }
    if (!parse(*ca_text)) {
        return refuse(fmt::format("ca_file: {} holds no certificate in PEM form", ca_file));
    }
    return {};
}

}  // namespace mimamori::adapters::grpc
