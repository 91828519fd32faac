// The service's own certificate authority: ECDSA on P-256, SHA-256, X.509 v3 (RFC 5280). Makes keys and certificates in memory;
// files and the database are the caller's. Not TLS.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/failure.h"
#include "base/time.h"

namespace mimamori::adapters::x509 {

using Fingerprint = std::array<std::uint8_t, 32>;  // SHA-256 of the DER form

struct Issued {
    std::string certificate_pem;
    std::string key_pem;  // PKCS #8, not encrypted
    Fingerprint fingerprint;
    std::string serial;  // hex
    base::Time not_before, not_after;
};

struct Authority {
    std::string certificate_pem;
    std::string key_pem;
};

struct Validity {
    base::Time not_before;
    int days;
};

// A root that can only sign leaves (path length 0).
base::Expected<Issued> make_authority(const std::string& name, Validity validity);

// A server's certificate; `names` are DNS names and IP addresses, the first also becomes the common name.
base::Expected<Issued> issue_server(const Authority& authority, std::span<const std::string> names, Validity validity);

// An appliance's certificate, for TLS clients; the common name is for people only, identity is the fingerprint.
base::Expected<Issued> issue_client(const Authority& authority, const std::string& common_name, Validity validity);

base::Expected<Fingerprint> fingerprint_of(const std::string& certificate_pem);

}  // namespace mimamori::adapters::x509
