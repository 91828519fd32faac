// One peer: its socket, its TLS, its deadlines, and the HTTP/2 inside. Used by the thread it belongs to, but for
// look_after(). Private to this folder.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "adapters/grpc/http2_session.h"

namespace mimamori::adapters::grpc {

class Connection;

// The thread, as its connections see it.
class ConnectionOwner {
  public:
    virtual ~ConnectionOwner() = default;
    virtual void look_after(Connection& connection, std::shared_ptr<UplinkStream> stream) = 0;  // any thread
    virtual void wait_for_room(Connection& connection,
                               bool wait) = 0;  // be told when the socket takes bytes again, or not
    virtual void report(const std::string& what) = 0;
};

class Connection final : private StreamOwner {
  public:
    using Time = std::chrono::steady_clock::time_point;

    // Owns the socket, which must not block, and its place among the open connections.
    Connection(int socket, std::string peer, SSL_CTX& tls, ServerContext& context, ConnectionOwner& owner);
    ~Connection() override;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    int socket() const { return socket_; }

    // Each of these is false when the connection is over and must be destroyed.
    [[nodiscard]] bool read(Time now);  // the socket has something
    [[nodiscard]] bool flush();         // the socket has room; after the handshake only
    [[nodiscard]] bool serve(UplinkStream& stream);
    [[nodiscard]] bool sweep(Time now);  // now and then: deadlines
    [[nodiscard]] bool drain();          // nothing new; over when its streams are

    Time opened() const { return opened_; }
    bool is_known() const { return http2_ != nullptr; }  // a certificate of our authority has been shown
    // There may be more to read, though the socket does not say so.
    bool has_more() const { return has_more_; }

  private:
    void look_after(std::shared_ptr<UplinkStream> stream) override { owner_.look_after(*this, std::move(stream)); }
    bool shake_hands();
    bool begin_http2();

    ServerContext& context_;
    ConnectionOwner& owner_;
    const int socket_;
    const std::string peer_;
    const std::unique_ptr<SSL, decltype(&SSL_free)> tls_;
    std::unique_ptr<Http2Session> http2_;  // after the handshake
    std::string unsent_;                   // what the socket had no room for
    Time opened_, heard_, without_streams_since_;
    std::optional<Time> asked_;        // whether the peer is still there
    std::optional<Time> stuck_since_;  // the socket takes nothing of unsent_
    base::Time certificate_ends_;
    int key_updates_ = 0;
    bool has_more_ = false;
    bool waits_for_room_ = false;
    bool draining_ = false;
    bool broken_ = false;  // TLS says no good-bye any more
};

}  // namespace mimamori::adapters::grpc
