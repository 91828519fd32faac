#include <chrono>

#include <fmt/format.h>

#include "adapters/kafka/topics.h"
#include "admin/commands.h"
#include "admin/settings.h"
#include "store/admin_records.h"

namespace mimamori::admin {
namespace {

constexpr std::chrono::seconds patience{30};
// Above the largest batch the gateway accepts, so that Kafka is never what refuses one.
constexpr int largest_record_bytes = 8 * 1024 * 1024;
// Gateways and fleet workers catch up on these from the newest records.
constexpr std::int64_t side_retention_ms = 24LL * 3600 * 1000;
constexpr std::int32_t presence_partitions = 3;

adapters::kafka::TopicSpec spec(const std::string& name, std::int32_t partitions, std::int64_t retention_ms,
                                const Settings& settings) {
    return {name,
            partitions,
            settings.topic_replication,
            {{"cleanup.policy", "delete"},
             {"retention.ms", fmt::to_string(retention_ms)},
             {"retention.bytes", "-1"},
             {"max.message.bytes", fmt::to_string(largest_record_bytes)},
             {"message.timestamp.type", "LogAppendTime"},
             {"unclean.leader.election.enable", "false"},
             {"min.insync.replicas", settings.topic_replication >= 3 ? "2" : "1"}}};
}

}  // namespace

Output create_topics(const Context& context) {
    auto kafka = platform::read_kafka(context.config);
    auto settings = read_settings(context.config);
    if (!kafka) {
        return tl::unexpected{kafka.error()};
    }
    if (!settings) {
        return tl::unexpected{settings.error()};
    }
    auto topics = adapters::kafka::Topics::make(kafka->bootstrap);
    if (!topics) {
        return tl::unexpected{topics.error()};
    }
    std::string text;
    for (const auto& wanted : {spec(kafka->batches_topic, kafka->partitions, settings->batches_retention_ms, *settings),
                               spec(kafka->progress_topic, 1, side_retention_ms, *settings),
                               spec(kafka->presence_topic, presence_partitions, side_retention_ms, *settings)}) {
        auto made = (*topics)->create(wanted, patience);
        if (!made) {
            return tl::unexpected{made.error()};
        }
        text += fmt::format("topic {}: {} partitions, {}\n", wanted.name, wanted.partitions, *made ? "made" : "was there already");
    }
    auto done = audited(context, [&](store::Connection& connection) {
        return store::make_log_partitions(connection, kafka->partitions).map([&](bool made) {
            text += fmt::format("log partitions in the database: {}, {}\n", kafka->partitions, made ? "made" : "were there already");
            return Audit{"topics.create", "topic " + kafka->batches_topic, fmt::format("{{\"partitions\":{}}}", kafka->partitions)};
        });
    });
    return done.map([&] { return text; });
}

}  // namespace mimamori::admin
