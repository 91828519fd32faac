// The uplink's listener in this process, and what happens on its streams, remembered.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "adapters/grpc/uplink_server.h"
#include "raw_peer.h"

namespace mimamori::test {

namespace uplink_grpc = adapters::grpc;
using uplink_grpc::AgentFrame;
using uplink_grpc::CloseCode;
using uplink_grpc::GatewayFrame;
using uplink_grpc::Stream;

class RunningListener final : public uplink_grpc::StreamEvents {
  public:
    explicit RunningListener(const std::function<void(uplink_grpc::ServerSettings&)>& change = {});
    ~RunningListener() override;

    int port() const { return server_->port(); }
    uplink_grpc::UplinkServer& server() { return *server_; }
    const TestAuthority& authority() const { return authority_; }
    const TemporaryFolder& folder() const { return folder_; }
    const Pem& identity() const { return identity_; }
    uplink_grpc::DenyList& deny_list() { return deny_list_; }

    // True soon after `condition` holds; false after `limit`.
    bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s);
    // These are for conditions, and for looking when all is quiet.
    std::shared_ptr<Stream> stream(std::size_t number) { return streams_.at(number); }
    std::size_t opened() const { return opened_; }
    std::size_t closed() const { return closed_; }
    const std::vector<AgentFrame>& frames() const { return frames_; }
    bool reported(std::string_view part) const;

    // A connection with the right certificate and a stream that both ends know.
    std::unique_ptr<RawPeer> peer();
    bool reads_on = true;  // asks for the next frame after each

  private:
    void on_opened(const std::shared_ptr<Stream>& stream) override;
    void on_frame(Stream& stream, AgentFrame&& frame) override;
    void on_closed(Stream& stream) override;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::shared_ptr<Stream>> streams_;
    std::vector<AgentFrame> frames_;
    std::vector<std::string> reports_;
    std::atomic<std::size_t> opened_{0}, closed_{0};
    TestAuthority authority_;
    TemporaryFolder folder_;
    Pem identity_;
    uplink_grpc::DenyList deny_list_;
    std::unique_ptr<uplink_grpc::UplinkServer> server_;
};

AgentFrame heartbeat(std::int64_t clock_us);

}  // namespace mimamori::test
