// Stream over gRPC's callback API. Private to this folder.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>

#include <grpcpp/grpcpp.h>

#include "adapters/grpc/stream.h"

namespace mimamori::adapters::grpc {

// one read and one write in flight; Finish once, when no write is in flight; gone after OnDone
class Reactor final : public ::grpc::ServerBidiReactor<AgentFrame, GatewayFrame>, public Stream {
  public:
    Reactor(::grpc::CallbackServerContext& context, std::uint64_t id, PeerCertificate certificate, StreamEvents& events,
            std::atomic<std::size_t>& open_streams);

    // Keeps `self` until the stream has ended.
    static void open(const std::shared_ptr<Reactor>& self);

    std::uint64_t id() const override { return id_; }
    const PeerCertificate& certificate() const override { return certificate_; }
    std::string peer() const override;
    void read_next() override;
    void write(GatewayFrame frame) override;
    void finish(CloseCode code, std::string reason) override;
    void cancel() override;
    bool ended() const override { return ended_.load(); }

    void OnReadDone(bool ok) override;
    void OnWriteDone(bool ok) override;
    void OnCancel() override;
    void OnDone() override;

  private:
    // What gRPC is to do next: decided under mutex_ and done without it, for gRPC may call back from inside.
    struct Step {
        bool write = false;
        std::optional<::grpc::Status> finish;
    };
    Step next_step();  // with mutex_ held
    void take(Step step);
    template <class Call>
    void pinned(Call call);  // without mutex_; pins_ was raised under it

    const std::uint64_t id_;
    const PeerCertificate certificate_;
    StreamEvents& events_;
    std::atomic<std::size_t>& open_streams_;
    std::atomic<bool> ended_{false};
    std::mutex mutex_;
    ::grpc::CallbackServerContext* context_;  // until OnDone
    std::deque<GatewayFrame> queue_;
    std::optional<::grpc::Status> closing_;  // Finish with it once the queue is empty
    int pins_ = 0;  // calls into gRPC under way that need the call to exist: no Finish meanwhile
    bool reading_ = false;
    bool writing_ = false;
    bool finished_ = false;
    bool broken_ = false;  // nothing can be written any more
    AgentFrame incoming_;
    GatewayFrame outgoing_;
    std::shared_ptr<Reactor> self_;
};

}  // namespace mimamori::adapters::grpc
