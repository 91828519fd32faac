// Reads partitions from offsets that the caller keeps (in PostgreSQL). No consumer group, no committed offsets, no
// silent jump: an offset that Kafka does not hold comes back as an error. One thread uses a Consumer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"

struct rd_kafka_message_s;

namespace mimamori::adapters::kafka {

struct ConsumerSettings {
    std::string bootstrap;
    std::string client_id = "mimamori";
    // What is fetched ahead. librdkafka stops fetching for a whole second when this is reached, so keep it above a second
    // of what the caller handles, and use pause() to hold back.
    std::size_t queue_bytes = 128UL << 20U;
    std::size_t fetch_bytes_per_partition = 4UL << 20U;
    std::chrono::milliseconds fetch_wait{100};  // the broker answers an empty fetch after this time
};

constexpr std::int64_t offset_beginning = -2;
constexpr std::int64_t offset_end = -1;

struct Position {
    std::string topic;
    std::int32_t partition = 0;
    std::int64_t offset = offset_beginning;  // of the next record wanted, or one of the two above
};

// One record; its views live as long as it does. Movable.
class Record {
  public:
    explicit Record(rd_kafka_message_s* message) : message_{message} {}
    std::string_view topic() const;
    std::int32_t partition() const;
    std::int64_t offset() const;
    std::int64_t timestamp_ms() const;  // as the broker keeps it; -1 if none
    std::string_view key() const;
    std::string_view value() const;
    std::optional<std::string_view> header(const char* name) const;  // the last of that name; empty if there is none

  private:
    struct Free { void operator()(rd_kafka_message_s* message) const; };
    std::unique_ptr<rd_kafka_message_s, Free> message_;
};

enum class ProblemKind {
    out_of_range,       // Kafka does not hold the offset: wiped, tail lost, retention passed. The partition stands still
                        // until assign() names another offset.
    broker_away,        // fetching goes on by itself when it comes back; then check that the log is still the same one
    partition_unknown,  // no such topic or partition
    other,
};

struct Problem {
    ProblemKind kind;
    std::int32_t partition = -1;  // -1: not about one partition
    std::string what;
};

struct Polled {
    std::vector<Record> records;  // in offset order within a partition
    std::vector<Problem> problems;
};

struct Watermarks {
    std::int64_t low;   // oldest offset held
    std::int64_t high;  // offset of the next record to be written
};

class Consumer {
  public:
    // Fails only on settings that librdkafka refuses; the broker need not be there yet.
    static base::Expected<std::unique_ptr<Consumer>> make(const ConsumerSettings& settings);
    ~Consumer();
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;

    // Replaces the assignment. What was fetched for the one before is dropped and will not be polled.
    base::Expected<void> assign(std::span<const Position> positions);

    // Waits up to `timeout` for the first record, then takes what is there, at most `max_records`.
    Polled poll(std::size_t max_records, std::chrono::milliseconds timeout);

    // Of assigned partitions. Records already fetched when pausing are dropped and fetched again after resume().
    base::Expected<void> pause(const std::string& topic, std::int32_t partition);
    base::Expected<void> resume(const std::string& topic, std::int32_t partition);

    // Asks the broker. Failures: retry (broker away), refused (no such partition).
    base::Expected<Watermarks> query_watermarks(const std::string& topic, std::int32_t partition,
                                                std::chrono::milliseconds timeout);

    // The record at exactly `offset`; empty if Kafka does not hold it. Replaces the assignment: assign() again afterwards.
    base::Expected<std::optional<Record>> read_record(const std::string& topic, std::int32_t partition,
                                                      std::int64_t offset, std::chrono::milliseconds timeout);

  private:
    struct Handle;
    explicit Consumer(std::unique_ptr<Handle> handle);
    std::unique_ptr<Handle> handle_;
};

}  // namespace mimamori::adapters::kafka
