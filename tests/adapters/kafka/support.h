// A producer that remembers what became of each record, and reading a partition to a known point.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "adapters/kafka/consumer.h"
#include "adapters/kafka/producer.h"
#include "support/kafka_topics.h"

namespace mimamori::test {

using namespace std::chrono_literals;
namespace kafka = adapters::kafka;

template <class T>
T must(base::Expected<T> value) {
    if (!value) {
        throw std::runtime_error(value.error().what);
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*value);
    }
}

class Deliveries {
  public:
    kafka::Producer::OnDelivery callback() {
        return [this](const kafka::Delivery& delivery) {
            const std::lock_guard lock{mutex_};
            all_.push_back(delivery);
        };
    }
    std::vector<kafka::Delivery> all() const {
        const std::lock_guard lock{mutex_};
        return all_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<kafka::Delivery> all_;
};

inline kafka::ProducerSettings producer_settings() {
    kafka::ProducerSettings settings;
    settings.bootstrap = kafka_bootstrap();
    return settings;
}

inline std::unique_ptr<kafka::Consumer> make_consumer() {
    kafka::ConsumerSettings settings;
    settings.bootstrap = kafka_bootstrap();
    return must(kafka::Consumer::make(settings));
}

// Writes `values` to one partition and returns when all stand there.
inline std::vector<kafka::Delivery> write(const std::string& topic, std::int32_t partition,
                                          const std::vector<std::string>& values) {
    Deliveries deliveries;
    auto producer = must(kafka::Producer::make(producer_settings(), deliveries.callback()));
    std::uint64_t tag = 0;
    for (const auto& value : values) {
        must(producer->send(topic, partition, "key", value, tag++));
    }
    if (!producer->flush(30s)) {
        throw std::runtime_error("the records were not delivered within 30 s");
    }
    producer.reset();
    return deliveries.all();
}

// The next `count` values of what is assigned.
inline std::vector<std::string> read(kafka::Consumer& consumer, std::size_t count) {
    std::vector<std::string> values;
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (values.size() < count && std::chrono::steady_clock::now() < deadline) {
        for (const auto& record : consumer.poll(count - values.size(), 200ms).records) {
            values.emplace_back(record.value());
        }
    }
    return values;
}

inline std::vector<std::string> numbers(int first, int last) {
    std::vector<std::string> out;
    for (int i = first; i <= last; ++i) {
        out.push_back(std::to_string(i));
    }
    return out;
}

}  // namespace mimamori::test
