// One connected agent: frames in, frames out, and what its certificate says. The owner decides when the next frame is
// read, and thereby pushes back. Not the protocol: that is the role's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "adapters/grpc/certificate.h"
#include "mimamori/uplink/v1/uplink.pb.h"

namespace mimamori::adapters::grpc {

using uplink::v1::AgentFrame;
using uplink::v1::GatewayFrame;

enum class CloseCode {
    bad_request,  // INVALID_ARGUMENT: the agent broke the protocol; it backs off for long
    not_allowed,  // PERMISSION_DENIED: unknown or revoked certificate, ended rental
    replaced,     // ABORTED: a newer connection of the same appliance took over
    busy,         // RESOURCE_EXHAUSTED: too many connections, or an agent that does not read
    unavailable,  // UNAVAILABLE: the gateway stops, or cannot reach what it needs; try again soon
};

// Any thread may call any of these. After the stream has ended they do nothing.
class Stream {
  public:
    // Frames waiting to be written; an agent that lets more pile up is cut off with `busy`.
    static constexpr std::size_t max_queued_frames = 4096;

    virtual ~Stream() = default;
    virtual std::uint64_t id() const = 0;  // unique in this process
    virtual const PeerCertificate& certificate() const = 0;
    virtual std::string peer() const = 0;  // address, for logs only

    // Asks for the next frame; it comes as StreamEvents::on_frame. At most one is asked for at a time.
    virtual void read_next() = 0;
    // Frames leave in the order of the calls.
    virtual void write(GatewayFrame frame) = 0;
    // Ends the stream after the frames queued so far, with a reason for the agent's log.
    virtual void finish(CloseCode code, std::string reason) = 0;
    // Ends it at once.
    virtual void cancel() = 0;
    // True from before on_closed is called.
    virtual bool ended() const = 0;
    // Of frames, whole or not: what moves here is alive, however slow its line.
    virtual std::uint64_t received_bytes() const = 0;

    // A number for whoever answers StreamEvents: who takes this stream's frames; -1 until it is set.
    void set_owner(std::int32_t owner) { owner_.store(owner); }
    std::int32_t owner() const { return owner_.load(); }

  private:
    std::atomic<std::int32_t> owner_{-1};
};

// What happens on streams. Called from gRPC's threads: must return at once, so no call that leaves the process. For one
// stream the calls come one after the other, on_opened first and on_closed last.
class StreamEvents {
  public:
    virtual ~StreamEvents() = default;
    virtual void on_opened(const std::shared_ptr<Stream>& stream) = 0;
    virtual void on_frame(Stream& stream, AgentFrame&& frame) = 0;
    virtual void on_closed(Stream& stream) = 0;
};

}  // namespace mimamori::adapters::grpc
