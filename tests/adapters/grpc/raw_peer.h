// A peer for tests that may behave as badly as it likes: a socket, TLS if wanted, HTTP/2 frames by nghttp2 or any
// bytes. One thread.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/test_certificates.h"

struct nghttp2_session;

namespace mimamori::test {

using namespace std::chrono_literals;
using Headers = std::vector<std::pair<std::string, std::string>>;

const Headers& connect_call();  // what a gRPC client asks for

class RawPeer {
  public:
    explicit RawPeer(int port);  // a TCP connection, and nothing more
    ~RawPeer();
    RawPeer(const RawPeer&) = delete;
    RawPeer& operator=(const RawPeer&) = delete;

    // The handshake. With TLS 1.3 a refusal of our certificate shows only when something is read.
    bool shake_hands(const std::optional<Pem>& identity, const std::string& protocol = "h2");
    std::string server_fingerprint() const;
    bool session_is_resumable() const;
    void hang_up();
    bool is_closed_within(std::chrono::milliseconds limit);  // before the handshake
    void send_bytes(std::string_view bytes);                 // into TLS, or into the socket before the handshake

    // --- HTTP/2 ------------------------------------------------------------------------------------------------------

    std::int32_t call(const Headers& headers = connect_call());  // a stream that stays open for us to write
    void send(std::int32_t stream, std::string_view bytes);      // as DATA, when windows allow
    void reset(std::int32_t stream);
    void ping();
    void update_keys();
    std::uint32_t window = 65'535;  // of our streams; before the first call
    // Reads and writes until `done` or `limit`; true if done.
    bool exchange_until(const std::function<bool()>& done, std::chrono::milliseconds limit = 10s);

    struct Answer {
        std::map<std::string, std::string> headers;  // trailers too
        std::string data;
        bool closed = false;
        std::uint32_t error = 0;
    };
    std::map<std::int32_t, Answer> answers;
    std::optional<std::uint32_t> went_away;  // the error code of GOAWAY
    bool cut = false;                        // the connection ended
    int pongs = 0;
    std::size_t unsent(std::int32_t stream) const { return outgoing_.at(stream).size(); }

  private:
    struct Callbacks;
    void begin_http2();
    bool flush();
    void read_some();

    int socket_;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, &SSL_CTX_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> tls_{nullptr, &SSL_free};
    nghttp2_session* session_ = nullptr;
    std::map<std::int32_t, std::string> outgoing_;
};

// A gRPC message: flag, length, bytes.
std::string framed(std::string_view message, char flag = 0);

}  // namespace mimamori::test
