// One connection's HTTP/2 and gRPC, by nghttp2: bytes of the peer in, bytes for it out, and its streams between. Used
// by one thread. Not the socket, not TLS.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/grpc/messages.h"
#include "adapters/grpc/uplink_server.h"
#include "adapters/grpc/uplink_stream.h"

struct nghttp2_session;

namespace mimamori::adapters::grpc {

// What all connections of one listener share.
struct ServerContext {
    static constexpr std::size_t without_stream = 96;  // connections at once beyond the streams that may be
    bool is_crowded() const { return open_connections > settings.max_streams + without_stream; }

    ServerSettings settings;
    const DenyList& deny_list;
    StreamEvents& events;
    std::atomic<std::size_t> open_streams{0};
    std::atomic<std::size_t> open_connections{0};
    std::atomic<std::uint64_t> next_id{1};
};

class Http2Session {
  public:
    Http2Session(ServerContext& context, StreamOwner& owner, const PeerCertificate& certificate, std::string peer);
    ~Http2Session();  // its streams have ended
    Http2Session(const Http2Session&) = delete;
    Http2Session& operator=(const Http2Session&) = delete;

    // False: the peer does not speak HTTP/2 as it should, and nothing more is to be done with it.
    [[nodiscard]] bool receive(std::string_view bytes);
    // Appends what is to be sent, until there is nothing more or `out` holds about `enough` bytes. False as receive().
    [[nodiscard]] bool produce(std::string& out, std::size_t enough);
    // After look_after(). False: the stream has been cancelled, and the connection is to be cut.
    [[nodiscard]] bool serve(UplinkStream& stream);

    void ping();
    void go_away();               // the peer is to make no more streams here
    bool finished() const;        // the peer and we have said all there is to say
    std::size_t streams() const;  // whose heads are complete
    // A stream's last word has waited for the peer since before `since`.
    bool is_overdue(std::chrono::steady_clock::time_point since) const;

  private:
    struct Call;
    struct Callbacks;
    void begin(std::int32_t http2_id);
    void take_header(Call& call, std::string_view name, std::string_view value);
    void open(Call& call);
    void take_data(Call& call, std::string_view bytes);
    void deliver(Call& call);
    void respond(Call& call);
    void refuse(Call& call, const Status& status);
    void end(Call& call);
    void on_ping();
    void on_sent();

    ServerContext& context_;
    StreamOwner& owner_;
    const PeerCertificate certificate_;
    const std::string peer_;
    nghttp2_session* session_ = nullptr;
    std::vector<std::unique_ptr<Call>> calls_;           // a few at most
    std::chrono::steady_clock::time_point last_ping_{};  // of the peer
    int ping_strikes_ = 0;
};

}  // namespace mimamori::adapters::grpc
