// An agent for tests: says exactly what the test tells it to, and remembers what the gateway answers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "domain/delivery/types.h"
#include "mimamori/uplink/v1/uplink.grpc.pb.h"
#include "support/test_certificates.h"

namespace mimamori::test {

namespace pb = uplink::v1;
namespace delivery = domain::delivery;
using namespace std::chrono_literals;

class Agent {
  public:
    // `identity` empty: without a certificate. `deaf`: never reads.
    Agent(int port, const std::string& authority, const std::optional<Pem>& identity, bool compressed = false,
          bool deaf = false);
    ~Agent();
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    bool send(const pb::AgentFrame& frame);  // waits for flow control; false after the end
    // The next frame; empty after `limit` or when the stream has ended.
    std::optional<pb::GatewayFrame> next(std::chrono::milliseconds limit = 10s);
    // The next frame of this kind; others are thrown away.
    std::optional<pb::GatewayFrame> next(pb::GatewayFrame::FrameCase kind, std::chrono::milliseconds limit = 10s);
    // How the gateway ended the stream; OK with a message "still open" if it did not within `limit`.
    ::grpc::Status end(std::chrono::milliseconds limit = 10s);
    void hang_up();

  private:
    void read_all();
    ::grpc::ClientContext context_;
    std::unique_ptr<pb::Uplink::Stub> stub_;
    std::unique_ptr<::grpc::ClientReaderWriter<pb::AgentFrame, pb::GatewayFrame>> stream_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<pb::GatewayFrame> frames_;
    std::optional<::grpc::Status> status_;
    std::jthread reader_;
};

// A spool of numbered entries with their chain, kept by the test.
struct Spool {
    explicit Spool(pb::Lane lane = pb::LANE_NORMAL);
    pb::LaneState state(std::uint64_t last, std::uint64_t first = 1) const;
    // Entries first..last as events; each has its number as payload.
    pb::AgentFrame batch(std::uint64_t first, std::uint64_t last, std::uint32_t run = 0, std::size_t payload_bytes = 20) const;
    std::string h(std::uint64_t next_seq, std::size_t payload_bytes = 20) const;  // H before next_seq
    pb::Lane lane;
    delivery::SpoolId id;
    std::string id_bytes;
};

pb::AgentFrame hello(std::initializer_list<pb::LaneState> lanes);

}  // namespace mimamori::test
