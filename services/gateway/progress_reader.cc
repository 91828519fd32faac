#include "gateway/progress_reader.h"

#include <condition_variable>
#include <mutex>
#include <vector>

#include "gateway/events.h"

namespace mimamori::gateway {
namespace {

namespace kafka = adapters::kafka;
using std::chrono::milliseconds;

constexpr milliseconds broker_patience{5000};
constexpr milliseconds poll_wait{100};
constexpr milliseconds pause_after_trouble{1000};
constexpr std::size_t most_records = 500;

}  // namespace

ProgressReader::ProgressReader(const Settings& settings, std::int32_t partitions, platform::Events& events,
                               platform::Metrics& metrics, OnProgress on_progress)
    : settings_{settings},
      partitions_{partitions},
      events_{events},
      records_{metrics.counter("mimamori_gateway_progress_records_total", "Records of the progress topic read.")},
      on_progress_{std::move(on_progress)} {}

void ProgressReader::run(std::stop_token stop, const std::function<void()>& assigned) {
    std::mutex mutex;
    std::condition_variable_any never;
    while (!stop.stop_requested()) {
        const auto ended = read(stop, assigned);
        if (!ended) {
            events_.emit(progress_interrupted, {{"detail", ended.error().what}});
            std::unique_lock lock{mutex};
            never.wait_for(lock, stop, pause_after_trouble, [] { return false; });
        }
    }
}

base::Expected<void> ProgressReader::read(std::stop_token stop, const std::function<void()>& assigned) {
    auto consumer = kafka::Consumer::make({.bootstrap = settings_.kafka.bootstrap,
                                           .client_id = "mimamori-gateway-progress",
                                           .queue_bytes = 32UL << 20U});
    if (!consumer) {
        return tl::unexpected{consumer.error()};
    }
    std::vector<kafka::Position> ends;
    for (std::int32_t partition = 0; partition < partitions_; ++partition) {
        const auto marks = (*consumer)->query_watermarks(settings_.kafka.progress_topic, partition, broker_patience);
        if (!marks) {
            return tl::unexpected{marks.error()};
        }
        ends.push_back({settings_.kafka.progress_topic, partition, marks->high});
    }
    if (auto done = (*consumer)->assign(ends); !done) {
        return done;
    }
    assigned();
    while (!stop.stop_requested()) {
        const auto polled = (*consumer)->poll(most_records, poll_wait);
        for (const auto& record : polled.records) {
            records_.Increment();
            auto progress = progress_of(record.value());
            if (const auto* malformed = std::get_if<Malformed>(&progress)) {
                events_.emit(progress_unreadable, {{"offset", record.offset()}, {"detail", malformed->reason}});
                continue;
            }
            on_progress_(std::make_shared<const ProgressRecord>(std::move(std::get<ProgressRecord>(progress))), stop);
        }
        for (const auto& problem : polled.problems) {
            if (problem.kind == kafka::ProblemKind::broker_away) {
                events_.emit(progress_interrupted, {{"detail", problem.what}});  // goes on by itself
            } else {
                return base::failure(base::FailureKind::retry, problem.what);
            }
        }
    }
    return {};
}

}  // namespace mimamori::gateway
