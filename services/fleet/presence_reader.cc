#include "fleet/presence_reader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "adapters/kafka/topics.h"
#include "fleet/events.h"
#include "fleet/presence_batch.h"
#include "store/admin_schema.h"

namespace mimamori::fleet {
namespace {

namespace kafka = adapters::kafka;

constexpr std::chrono::seconds pause_after_trouble{1};
constexpr std::chrono::milliseconds poll_wait{250};
constexpr std::chrono::milliseconds gather{
    500};  // presence is told together, for each write costs as much as hundreds of rows
constexpr std::chrono::seconds broker_patience{10};

void wait_or_stop(std::stop_token stop, std::chrono::milliseconds limit) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock{mutex};
    never.wait_for(lock, stop, limit, [&] { return stop.stop_requested(); });
}

}  // namespace

PresenceReader::PresenceReader(store::Login login, platform::KafkaConfig kafka, platform::Events& events,
                               platform::Metrics& metrics, platform::Health& health, SilenceWatch& silence)
    : login_{std::move(login)},
      kafka_{std::move(kafka)},
      events_{events},
      records_{metrics.counter("mimamori_fleet_presence_records_total", "Presence records stored.")},
      heard_at_{metrics.gauge("mimamori_fleet_presence_time_seconds",
                              "Kafka's time of the newest presence record stored; its age is the lag.")},
      postgres_{health.check("postgres")},
      topic_{health.check("presence topic")},
      silence_{silence} {}

base::Expected<void> PresenceReader::run(std::stop_token stop) {
    while (!stop.stop_requested()) {
        auto ended = session(stop);
        if (ended) {
            continue;
        }
        events_.emit(presence_interrupted,
                     {{"failure", platform::kind_name(ended.error().kind)}, {"detail", ended.error().what}});
        wait_or_stop(stop, pause_after_trouble);
    }
    return {};
}

base::Expected<void> PresenceReader::session(std::stop_token stop) {
    postgres_.bad("not connected");
    auto connection = store::Connection::open(login_);
    if (!connection) {
        postgres_.bad(connection.error().what);
        return tl::unexpected{connection.error()};
    }
    if (auto fits = store::check_schema_version(*connection); !fits) {
        postgres_.bad(fits.error().what);
        return fits;
    }
    auto cursors = store::topic_cursors(*connection, kafka_.presence_topic);
    if (!cursors) {
        return tl::unexpected{cursors.error()};
    }
    cursors_ = std::move(*cursors);
    postgres_.ok();
    topic_.bad("not read yet");
    auto state = kafka::Topics::make(kafka_.bootstrap).and_then([&](const auto& topics) {
        return topics->describe(kafka_.presence_topic, broker_patience);
    });
    auto consumer = kafka::Consumer::make({.bootstrap = kafka_.bootstrap, .client_id = "mimamori-fleet"});
    if (!state || !consumer) {
        const auto& why = state ? consumer.error() : state.error();
        topic_.bad(why.what);
        return tl::unexpected{why};
    }
    if (auto assigned = assign(**consumer, state->partitions); !assigned) {
        return assigned;
    }
    events_.emit(presence_reading, {{"partitions", state->partitions}});
    topic_.ok();
    silence_.reading();
    while (!stop.stop_requested()) {
        const auto read = step(**consumer, *connection);
        if (!read) {
            return tl::unexpected{read.error()};
        }
        if (auto looked = silence_.look(*connection); !looked) {
            return looked;
        }
        if (*read < most_records) {
            wait_or_stop(stop, gather);
        }
    }
    return {};
}

base::Expected<void> PresenceReader::assign(kafka::Consumer& consumer, std::int32_t partitions) {
    std::vector<kafka::Position> positions;
    for (std::int32_t partition = 0; partition < partitions; ++partition) {
        const auto cursor = cursors_.find(partition);
        positions.push_back({kafka_.presence_topic, partition,
                             cursor == cursors_.end() ? kafka::offset_beginning : cursor->second});
    }
    return consumer.assign(positions);
}

base::Expected<std::size_t> PresenceReader::step(kafka::Consumer& consumer, store::Connection& connection) {
    const auto polled = consumer.poll(most_records, poll_wait);
    std::vector<store::CursorStep> steps;
    for (const auto& problem : polled.problems) {
        topic_.bad(problem.what);
        if (problem.kind != kafka::ProblemKind::out_of_range) {
            return base::failure(base::FailureKind::retry, problem.what);
        }
        // Presence is a state, not a history: what is gone is told again by the next heartbeat.
        events_.emit(presence_gap, {{"partition", problem.partition}, {"detail", problem.what}});
        auto water = consumer.query_watermarks(kafka_.presence_topic, problem.partition, broker_patience);
        if (!water) {
            return tl::unexpected{water.error()};
        }
        const auto known = cursors_.find(problem.partition);
        steps.push_back({problem.partition, known == cursors_.end() ? -1 : known->second, water->low});
    }
    if (!steps.empty()) {
        if (auto moved = store::store_presence(connection, kafka_.presence_topic, steps, {}); !moved) {
            return tl::unexpected{moved.error()};
        }
        return base::failure(base::FailureKind::retry, "the presence topic is read anew from the oldest records");
    }
    if (polled.records.empty()) {
        return 0;
    }
    PresenceBatch batch;
    std::map<std::int32_t, std::int64_t> reached;
    for (const auto& record : polled.records) {
        reached[record.partition()] = record.offset() + 1;
        uplink::v1::Presence news;
        if (!news.ParseFromArray(record.value().data(), static_cast<int>(record.value().size())) || !batch.add(news)) {
            events_.emit(presence_unreadable, {{"partition", record.partition()}, {"offset", record.offset()}});
        }
    }
    for (const auto& [partition, offset] : reached) {
        const auto known = cursors_.find(partition);
        steps.push_back({partition, known == cursors_.end() ? -1 : known->second, offset});
    }
    const auto rows = batch.rows();
    if (auto stored = store::store_presence(connection, kafka_.presence_topic, steps, rows); !stored) {
        postgres_.bad(stored.error().what);
        return tl::unexpected{stored.error()};
    }
    if (!rows.empty()) {
        silence_.heard(std::ranges::max(rows, {}, &store::PresenceRow::heard_at).heard_at);
    }
    for (const auto& [partition, offset] : reached) {
        cursors_[partition] = offset;
    }
    records_.Increment(static_cast<double>(polled.records.size()));
    heard_at_.Set(static_cast<double>(polled.records.back().timestamp_ms()) / 1000);
    return polled.records.size();
}

}  // namespace mimamori::fleet
