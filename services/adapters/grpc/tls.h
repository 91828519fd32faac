// The listener's TLS: version 1.3 only, our certificate, and the peer's demanded and checked, against the deny list
// too. No session is ever resumed, so every connection goes through these checks. Private to this folder.
#pragma once

#include <openssl/ssl.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "adapters/grpc/certificate.h"

namespace mimamori::adapters::grpc {

using SslContext = std::shared_ptr<SSL_CTX>;

// What is wrong with a peer's certificate, for logs and for the peer; empty: nothing.
std::string objection_to(const PeerCertificate& certificate, const DenyList& deny_list);

class ServerTls {
  public:
    // `deny_list` must outlive every connection.
    ServerTls(std::string certificate_file, std::string key_file, std::string ca_file, const DenyList& deny_list);

    // Reads the files. Refused, and what was read before stays, if they could not serve.
    base::Expected<void> load();
    // The same, if a file has changed since.
    base::Expected<void> reload();
    SslContext context() const;  // after a load(); any thread

  private:
    using Times = std::array<std::filesystem::file_time_type, 3>;
    Times times() const;
    const std::string certificate_file_, key_file_, ca_file_;
    const DenyList& deny_list_;
    Times loaded_{};
    mutable std::mutex mutex_;
    SslContext context_;
};

// OpenSSL eats key updates within one call, as many as come: beyond a few of them since `count` was set to 0, this ends
// the session. `count` must live as long as `ssl`.
void bound_key_updates(SSL* ssl, int* count);

// Why OpenSSL's last call on this thread failed; empties its list of errors.
std::string tls_errors();

}  // namespace mimamori::adapters::grpc
