// One agent's stream to the gateway: gRPC's messages over HTTP/2, on a TLS connection of its own. Lean, so that the
// service is measured and not its client; the agent's own transport is agent::uplink::Connection. Used by one thread,
// nothing blocks. Neither compression nor keep-alive pings: heartbeats are sent anyway.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <optional>
#include <string>

#include "bench/load/tls_socket.h"
#include "mimamori/uplink/v1/uplink.pb.h"

namespace mimamori::bench {

namespace pb = ::mimamori::uplink::v1;

struct Ended {
    bool refused = false;  // by the gateway, for what we are or sent: the same again would be refused again
    std::string what;      // for the operator
};

class Connection {
  public:
    // Begins to connect at once.
    Connection(const Target& target, const agent::uplink::Identity& identity, Poller& poller, std::uint64_t tag);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void on_ready();                                              // the poller has named it: reads what came
    std::optional<pb::GatewayFrame> take();                       // the next frame that came whole
    const std::optional<Ended>& ended() const { return ended_; }  // once everything is taken

    bool can_write() const;  // not while the gateway leaves too much of what was written
    void write(const pb::AgentFrame& frame);
    void flush();  // hands over what was written, as far as the gateway's windows and the socket take it

  private:
    using Session = std::unique_ptr<nghttp2_session, decltype(&nghttp2_session_del)>;
    friend struct Callbacks;

    void open_stream(const std::string& authority);
    void on_header(std::string_view name, std::string_view value);
    void on_end_of_stream();
    std::size_t give(std::uint8_t* to, std::size_t room);
    void end(bool refused, std::string what);

    TlsSocket socket_;
    Session session_{nullptr, &nghttp2_session_del};
    std::int32_t stream_ = 0;
    std::string in_;                     // of the stream, not taken
    std::string out_;                    // of the stream, not given to HTTP/2
    std::string left_;                   // of HTTP/2, not taken by the socket
    std::size_t taken_ = 0, given_ = 0;  // of in_, of out_
    std::string http_status_, grpc_status_, grpc_message_;
    std::optional<Ended> ended_;
};

}  // namespace mimamori::bench
