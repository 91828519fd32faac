// Stream as its two sides see it: any thread asks and writes, the thread of the connection takes what has gathered.
// Private to this folder.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "adapters/grpc/stream.h"

namespace mimamori::adapters::grpc {

class UplinkStream;

// The numbers of gRPC that are used here.
enum class StatusCode {
    ok = 0,
    invalid_argument = 3,
    permission_denied = 7,
    resource_exhausted = 8,
    aborted = 10,
    unimplemented = 12,
    unavailable = 14,
    unauthenticated = 16,
};

struct Status {
    StatusCode code = StatusCode::ok;
    std::string message;
};

// A stream's connection.
class StreamOwner {
  public:
    virtual ~StreamOwner() = default;
    // There is something to do for the stream. Any thread, until the stream has ended; returns at once.
    virtual void look_after(std::shared_ptr<UplinkStream> stream) = 0;
};

class UplinkStream final : public Stream, public std::enable_shared_from_this<UplinkStream> {
  public:
    UplinkStream(std::uint64_t id, const PeerCertificate& certificate, std::string peer, StreamOwner& owner);

    std::uint64_t id() const override { return id_; }
    const PeerCertificate& certificate() const override { return certificate_; }
    std::string peer() const override { return peer_; }
    void read_next() override;
    void write(GatewayFrame frame) override;
    void finish(CloseCode code, std::string reason) override;
    void cancel() override;
    bool ended() const override { return ended_.load(); }
    std::uint64_t received_bytes() const override { return received_bytes_.load(std::memory_order_relaxed); }

    // --- for the connection's thread --------------------------------------------------------------------------------

    void on_data(std::size_t bytes) { received_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
    // The beginning of a frame has come: false: nobody has asked for it yet (look_after() tells when).
    bool wants_the_rest();
    enum class Offer { deliver, keep, drop };
    // A whole frame has come: hand it over, keep it until it is asked for (look_after() tells), or throw it away.
    Offer offer();
    void close(Status status);  // as finish()

    struct News {
        std::string bytes;              // framed messages
        std::optional<Status> closing;  // to be said after the last of them
        bool cancelled = false;
    };
    // `with_bytes` false: they stay, and count, until the connection has got rid of those before.
    News take(bool with_bytes);
    void end();  // nothing reaches the owner from now on

  private:
    void call();  // with mutex_ held
    bool is_closing() const { return closing_ || cancelled_ || owner_ == nullptr; }

    const std::uint64_t id_;
    const PeerCertificate certificate_;
    const std::string peer_;
    std::atomic<bool> ended_{false};
    std::atomic<std::uint64_t> received_bytes_{0};
    std::mutex mutex_;
    StreamOwner* owner_;
    std::string out_;
    std::size_t queued_ = 0;  // frames in out_
    std::optional<Status> closing_;
    bool called_ = false;  // the owner knows and has not come yet
    bool asked_ = false;
    bool kept_ = false;  // the connection holds something back until it is asked for
    bool cancelled_ = false;
};

}  // namespace mimamori::adapters::grpc
