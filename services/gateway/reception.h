// Where connections arrive: waits for Hello, lets PostgreSQL say whose the certificate is and where its streams stand, and
// hands the agent to the shard of its customer. Nothing that the agent says decides who it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/shard.h"

namespace mimamori::gateway {

class Reception final : public StreamEvents {
  public:
    Reception(ShardContext& context, const std::vector<std::unique_ptr<Shard>>& shards);

    // From gRPC's threads.
    void on_opened(const std::shared_ptr<Stream>& stream) override;
    void on_frame(Stream& stream, pb::AgentFrame&& frame) override;
    void on_closed(Stream& stream) override;

    // Cuts off who said nothing for too long. Any thread, every second or so.
    void sweep();
    // From now on newcomers are told to come back later.
    void close();

    Shard& shard_of(std::int32_t partition) const;

  private:
    struct Waiting {
        std::shared_ptr<Stream> stream;
        std::chrono::steady_clock::time_point since;
        bool hello = false;
        bool turned_away = false;
    };
    void greet(const std::shared_ptr<Stream>& stream, pb::Hello& hello);
    void look_up(const std::shared_ptr<Stream>& stream, const pb::Hello& hello,
                 const std::vector<delivery::HelloLane>& lanes, std::int64_t hello_at_us,
                 base::Expected<store::Connection*> connection);
    void turn_away(Stream& stream, adapters::grpc::CloseCode code, std::string_view reason);
    void turn_away_with_alarm(Stream& stream, store::Connection& connection, const platform::Event& event,
                              std::string_view subject, std::string_view reason);

    ShardContext& context_;
    const std::vector<std::unique_ptr<Shard>>& shards_;
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, Waiting> waiting_;
    bool closed_ = false;
};

}  // namespace mimamori::gateway
