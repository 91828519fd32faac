#include "gateway/gateway.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "adapters/grpc/uplink_server.h"
#include "gateway/events.h"
#include "gateway/log_writer.h"
#include "gateway/progress_reader.h"
#include "gateway/reception.h"
#include "gateway/shard.h"
#include "gateway/workers.h"

namespace mimamori::gateway {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds last_words{1000};  // of presence
constexpr std::size_t max_queued_database_work = 40'000;  // some tasks for each connection

// From serving to silence: read no more, let Kafka answer for what was read, tell the agents, say good-bye.
void drain(const Settings& settings, Reception& reception, const std::vector<std::unique_ptr<Shard>>& shards, LogWriter& log,
           adapters::grpc::UplinkServer& server) {
    const auto deadline = steady_clock::now() + settings.drain_limit;
    const auto left = [&] {
        return std::max(milliseconds{0}, duration_cast<milliseconds>(deadline - steady_clock::now()));
    };
    reception.close();
    for (const auto& shard : shards) {
        shard->stop_reading();
    }
    (void)log.flush(left() / 2);
    for (const auto& shard : shards) {
        shard->finish_all();
    }
    server.stop(std::min(left(), milliseconds{5000}));
}

}  // namespace

Gateway::Gateway(Settings settings, const platform::Clock& clock, platform::Events& events, platform::Metrics& metrics,
                 platform::Health& health)
    : settings_{std::move(settings)}, clock_{clock}, events_{events}, metrics_{metrics}, checks_{health} {}

base::Expected<void> Gateway::run(std::stop_token stop) {
    auto surroundings = wait_for_surroundings(settings_, events_, checks_, stop);
    if (!surroundings || !*surroundings) {
        return surroundings.map([](const auto&) {});
    }
    const auto room = adapters::grpc::raise_open_files_limit();
    if (room == 0) {
        return base::failure(
            base::FailureKind::refused,
            "the limit of open files leaves no room for agents: set LimitNOFILE to gateway.max_streams and 256 more");
    }
    settings_.server.max_streams = std::min(settings_.server.max_streams, room);
    settings_.server.report = [this](const std::string& text) {
        events_.emit(uplink_error, {{"detail", text}});
    };

    Workers workers{settings_.login, settings_.database_workers, max_queued_database_work};
    LogWriter log{settings_, events_, metrics_};
    ShardContext context{settings_, (*surroundings)->generation, workers, log, clock_, events_,
                         metrics_.gauge("mimamori_gateway_sessions", "Appliances connected."),
                         metrics_.gauge("mimamori_gateway_unsettled_bytes", "Bytes taken from agents and not yet settled."),
                         metrics_.counter("mimamori_gateway_batches_total", "Batches taken from agents.")};
    std::vector<std::unique_ptr<Shard>> shards;
    for (std::size_t i = 0; i < settings_.session_threads; ++i) {
        shards.push_back(std::make_unique<Shard>(context));
    }
    Reception reception{context, shards};
    adapters::grpc::DenyList deny_list;
    auto server = adapters::grpc::UplinkServer::make(settings_.server, deny_list, reception);
    if (!server) {
        return tl::unexpected{server.error()};
    }
    ProgressReader progress{settings_, (*surroundings)->progress_partitions, events_, metrics_,
                            [&](auto record, std::stop_token asked) {
                                if (record->partition >= 0) {
                                    reception.shard_of(record->partition).progress(std::move(record), asked);
                                }
                            }};
    Maintenance maintenance{{context, shards, reception, deny_list, checks_, [this] { return port(); },
                             [&server] { return (*server)->was_crowded(); }}};

    auto opened = log.open((*surroundings)->presence_partitions,
                           [&](std::int32_t partition, std::uint64_t order, const adapters::kafka::Delivery& delivery) {
                               if (delivery.failure) {
                                   events_.emit(delivery_failed, {{"partition", partition}, {"detail", delivery.failure->what}});
                               }
                               reception.shard_of(partition).delivered(partition, order, delivery.offset,
                                                                       delivery.failure.has_value());
                           });
    if (!opened) {
        return opened;
    }
    if (auto ready = maintenance.prepare(); !ready) {
        return ready;
    }
    workers.start();
    for (const auto& shard : shards) {
        shard->start();
    }
    std::jthread reading{[&](std::stop_token asked) { progress.run(asked, [] {}); }};
    auto result = (*server)->start();
    if (result) {
        port_ = (*server)->port();
        events_.emit(gateway_serving, {{"port", port()},
                                       {"partitions", settings_.kafka.partitions},
                                       {"max_streams", settings_.server.max_streams}});
        result = maintenance.run(stop);
        drain(settings_, reception, shards, log, **server);
    }
    // From here on nobody calls any more: the listener is silent, then progress, then PostgreSQL, then the shards.
    reading.request_stop();
    reading.join();
    workers.stop();
    for (const auto& shard : shards) {
        shard->stop();
    }
    (void)log.flush(last_words);
    log.close();
    return result;
}

}  // namespace mimamori::gateway
