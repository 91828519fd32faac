// One thread that owns some partitions of the log with all their sessions: every customer's sessions live on exactly one
// shard, so neither sessions nor partition views need a lock. Others speak to it by posting. It never waits for PostgreSQL,
// Kafka or an agent; it carries out what the pure GatewaySession decides.
//
//   for ever: take what was posted and do it; then nap for a millisecond, so that more is taken together
//     every 100 ms: ticks, watermarks that are to be told, paused connections; every second: silent agents
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "adapters/grpc/stream.h"
#include "base/random.h"
#include "domain/delivery/gateway_session.h"
#include "domain/delivery/partition_view.h"
#include "gateway/log_writer.h"
#include "gateway/settings.h"
#include "gateway/wire.h"
#include "gateway/workers.h"
#include "platform/clock.h"
#include "platform/events.h"
#include "platform/metrics.h"
#include "store/gateway_streams.h"

namespace mimamori::gateway {

using adapters::grpc::Stream;
using adapters::grpc::StreamEvents;

// An agent that said Hello and was found to be who it is.
struct Newcomer {
    std::shared_ptr<Stream> stream;
    store::Appliance appliance;
    pb::Hello hello;
    std::vector<delivery::HelloLane> lanes;
    store::StreamStates states;
    std::int64_t hello_at_us = 0;
    std::int32_t partition = 0;
};

// What all shards share.
struct ShardContext {
    const Settings& settings;
    const delivery::Generation generation;
    Workers& workers;
    LogWriter& log;
    const platform::Clock& clock;
    platform::Events& events;
    prometheus::Gauge& sessions;
    prometheus::Gauge& unsettled_bytes_gauge;
    prometheus::Counter& batches_received;
    std::atomic<std::uint64_t> unsettled_bytes{0};  // of all sessions
};

class Shard {
  public:
    explicit Shard(ShardContext& context);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    void start();
    void stop();  // what is posted by now is still done

    // Any thread; none of these waits.
    void open(Newcomer newcomer);
    void frame(std::uint64_t stream_id, pb::AgentFrame frame);
    void closed(std::uint64_t stream_id);
    void delivered(std::int32_t partition, std::uint64_t order, std::int64_t offset, bool failed);
    void position_read(std::int32_t partition, delivery::LogPosition position);
    void deny(std::shared_ptr<const std::vector<std::string>> fingerprints);  // sorted
    void stop_reading();                                  // draining begins
    void finish_all();                                    // and ends: every agent is told to come back
    // Waits while the shard is far behind, so that reading the progress topic is what slows down.
    void progress(std::shared_ptr<const ProgressRecord> record, std::stop_token stop);

  private:
    struct Session;
    struct Partition;
    using Work = std::function<void()>;
    static constexpr std::size_t far_behind = 20'000;

    void post(Work work);
    void run(std::stop_token stop);
    void on_timer(std::int64_t now_ms);
    void look_for_silence(std::int64_t now_ms);

    void do_open(Newcomer& newcomer);
    void do_frame(Session& session, pb::AgentFrame& frame);
    void do_delivered(std::int32_t partition, std::uint64_t order, std::int64_t offset, bool failed);
    void do_progress(const ProgressRecord& record);
    void do_close(std::uint64_t stream_id);

    void on_batch(Session& session, const Parsed<delivery::Envelope>& envelope, pb::LogRecord& record);
    void on_heartbeat(Session& session, const pb::Heartbeat& heartbeat);
    void look_at_partition(Partition& partition);
    void perform(Session& session, const delivery::Actions& actions);
    void send_hello_ack(Session& session);
    void read_cursors(Session& session);
    void close_stream(Session& session, delivery::Lane lane);
    void note_assigned(Session& session, delivery::Lane lane);
    void refuse(Session& session, std::string_view reason);
    void settle_accounts(Session& session);
    bool may_wait(const Session& session) const;
    bool is_due(const Session& session, std::int64_t now_ms) const;
    void tell_watermarks(Session& session);
    void read_on(Session& session);
    void tell_presence(const Session& session, pb::Presence::Kind kind, const pb::Heartbeat* heartbeat = nullptr,
                       const pb::Hello* hello = nullptr);
    void forget(Session& session);
    Partition& partition(std::int32_t number);
    Session* find(std::uint64_t stream_id);

    ShardContext& context_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::condition_variable_any room_;
    std::vector<Work> queue_;
    bool napping_ = false;  // work gathers meanwhile: nobody need wake the thread for each
    bool stopped_ = false;
    // Below: the shard's own thread only.
    std::map<std::int32_t, std::unique_ptr<Partition>> partitions_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;  // by stream id
    std::unordered_map<std::int64_t, Session*> by_rental_;
    std::unordered_set<std::uint64_t> paused_;  // stream ids: not read from now
    std::unordered_set<std::uint64_t> untold_;  // stream ids: with a watermark that is to be told
    bool draining_ = false;
    std::int64_t next_silence_ms_ = 0;
    std::jthread thread_;
};

}  // namespace mimamori::gateway
