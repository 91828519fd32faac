// What the gateway reads out of a peer's certificate, and which certificates it no longer takes. Whose an accepted
// certificate is, PostgreSQL says; not here.
#pragma once

#include <openssl/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "base/time.h"

namespace mimamori::adapters::grpc {

using Fingerprint = std::array<std::uint8_t, 32>;  // SHA-256 of the DER form

struct PeerCertificate {
    Fingerprint fingerprint{};
    base::Time not_before;
    base::Time not_after;
    bool p256 = false;  // an ECDSA key on P-256
};

// Empty if it cannot be read.
std::optional<PeerCertificate> read_certificate(const X509* certificate);

// Certificates that are revoked or whose rental has ended. Asked in every handshake, resumed ones too; replaced as a
// whole.
class DenyList {
  public:
    void replace(std::vector<Fingerprint> denied);
    bool denies(const Fingerprint& fingerprint) const;
    std::size_t size() const;

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<const std::vector<Fingerprint>> denied_ =
        std::make_shared<const std::vector<Fingerprint>>();  // sorted
};

// Reads the three files and refuses what could not serve: unreadable, no P-256 key, key of another certificate,
// expired.
base::Expected<void> check_server_files(const std::string& certificate_file, const std::string& key_file,
                                        const std::string& ca_file, base::Time now);

}  // namespace mimamori::adapters::grpc
