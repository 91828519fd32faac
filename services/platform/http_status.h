// A small HTTP server for operators' tools: /live, /ready, /metrics. GET only, no TLS, loopback by default, one thread.
// Not for customers: that is the portal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/failure.h"
#include "platform/config.h"
#include "platform/health.h"
#include "platform/metrics.h"

namespace mimamori::platform {

class HttpStatus {
  public:
    // Further connections wait in the kernel's queue; one that is silent for 5 s is closed; requests over 8 KiB are refused.
    static constexpr std::size_t max_connections = 32;

    HttpStatus(const Health& health, const Metrics& metrics);
    ~HttpStatus();

    base::Expected<void> start(const HostPort& listen);
    void stop();
    std::uint16_t port() const;  // after start

  private:
    struct Server;
    const Health& health_;
    const Metrics& metrics_;
    std::unique_ptr<Server> server_;
};

}  // namespace mimamori::platform
