// The gateway's listener: gRPC over HTTP/2 (nghttp2) and mTLS (OpenSSL; TLS 1.3, P-256), client certificates required,
// one Stream for each connected agent. Not the session: StreamEvents is the role's. decisions/0007 says why it is not
// gRPC's own.
//
// What is bounded: size of a frame, streams and connections in total, time of a handshake and of a connection without a
// stream, streams and resets of one connection, its headers, pings of a peer, frames that wait to be written.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "adapters/grpc/certificate.h"
#include "adapters/grpc/stream.h"
#include "base/failure.h"

namespace mimamori::adapters::grpc {

struct ServerSettings {
    std::string listen;            // "0.0.0.0:8443", port 0: the kernel's choice
    std::string certificate_file;  // these three are read again when they change
    std::string key_file;
    std::string ca_file;  // issuers of the agents' certificates
    std::size_t max_frame_bytes = 2UL << 20U;
    std::size_t max_first_frame_bytes = 16UL << 10U;  // Hello, before anybody knows whose the certificate is
    std::size_t max_streams = 16'000;
    std::chrono::milliseconds keepalive_time{60'000};  // a silent connection is asked after this time
    std::chrono::milliseconds keepalive_timeout{20'000};
    std::chrono::milliseconds min_ping_interval{15'000};  // an agent that pings more often is cut off
    std::chrono::milliseconds handshake_limit{10'000};
    std::chrono::milliseconds idle_limit{10'000};       // for a connection without a stream
    std::chrono::milliseconds crowded_limit{2'000};     // of a handshake, while newcomers find no place
    std::chrono::milliseconds finish_limit{5'000};      // for a peer to take a stream's last word
    std::chrono::milliseconds reload_interval{10'000};  // between looks at the three files
    std::size_t io_threads = 2;
    std::function<void(const std::string& text)>
        report;  // what went wrong with a peer or a file; a few a second at most
};

// Raises the soft limit of open files to the hard one and returns how many streams it has room for beside what the
// process needs itself.
std::size_t raise_open_files_limit();

class UplinkServer {
  public:
    // `deny_list` and `events` must outlive the server. Refused if the files could not serve.
    static base::Expected<std::unique_ptr<UplinkServer>> make(const ServerSettings& settings, const DenyList& deny_list,
                                                              StreamEvents& events);
    ~UplinkServer();
    UplinkServer(const UplinkServer&) = delete;
    UplinkServer& operator=(const UplinkServer&) = delete;

    base::Expected<void> start();
    int port() const;  // after start
    std::size_t open_streams() const;
    // Since the last call somebody was turned away for want of room or descriptors: who finds the listener mute then
    // should not take it for dead.
    bool was_crowded();

    // Takes no more connections, waits up to `limit` for the streams to end, then cancels them. When it returns, every
    // on_closed has been called.
    void stop(std::chrono::milliseconds limit);

  private:
    struct Parts;
    explicit UplinkServer(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

// Connects to a listener as an agent would and makes the TLS handshake, without a certificate of its own. Fails if the
// listener does not answer within `timeout`: the only way to notice that it died.
base::Expected<void> probe_listener(const std::string& host, int port, std::chrono::milliseconds timeout);

}  // namespace mimamori::adapters::grpc
