// The appliance's certificate and key, read from files and checked before they are used. What the certificate means,
// the service knows.
#pragma once

#include <string>

#include "base/failure.h"
#include "base/time.h"

namespace mimamori::agent::uplink {

struct CertificateFiles {
    std::string ca_file;           // issuers of the gateways' certificates, PEM
    std::string certificate_file;  // this appliance's, PEM
    std::string key_file;          // its key, PEM, not encrypted
};

struct Identity {
    std::string ca_pem, certificate_pem, key_pem;
    std::string common_name;  // of the appliance's certificate
    base::Time not_after;
};

// Refused, naming the file, if one is missing or unreadable, if the key is not the certificate's or not on P-256, or if
// the certificate is not valid at `now`, which is real time: TLS stays on it.
base::Expected<Identity> read_identity(const CertificateFiles& files, base::Time now);

}  // namespace mimamori::agent::uplink
