// Hands one finished mail to an SMTP relay (RFC 5321) through libcurl, and says exactly how far it got.
// Not a queue: what to do with an outcome is services/domain/mail_delivery.h's business.
#pragma once

#include <string>
#include <string_view>

#include "base/failure.h"
#include "domain/mail_delivery.h"

namespace mimamori::adapters::smtp {

struct RelayOptions {
    std::string host = "127.0.0.1";
    int port = 25;
    std::string user;           // empty: no AUTH
    std::string password_file;  // one line; read at each use, so that it can be changed
    bool starttls = true;       // required: without TLS nothing is sent
    std::string ca_file;        // empty: the system's trust store
    std::string helo_name = "localhost";
    int connect_timeout_ms = 10'000;
    int total_timeout_ms = 60'000;  // a relay that accepts and never answers is given up after this
};

class Relay {
  public:
    explicit Relay(RelayOptions options);

    // Sends `mail` (complete RFC 5322 bytes, CRLF line ends) to one recipient. Blocks for at most total_timeout_ms.
    domain::SendOutcome send(std::string_view envelope_sender, std::string_view recipient, std::string_view mail) const;

  private:
    RelayOptions options_;
};

}  // namespace mimamori::adapters::smtp
