// Writes records to Kafka: idempotent, acknowledged by all replicas, never dropped in silence. For every accepted record
// the delivery callback is called exactly once, with its offset or with a failure. Not a queue of the caller's: when
// librdkafka's bounded queue is full, send() says so and the caller holds back.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "base/failure.h"

namespace mimamori::adapters::kafka {

struct ProducerSettings {
    std::string bootstrap;  // "host:port,host:port"
    std::string client_id = "mimamori";
    std::string compression = "zstd";  // zstd, lz4 or none: of whole record sets
    std::chrono::milliseconds linger{5};
    std::chrono::milliseconds delivery_timeout{30'000};  // after that a record's delivery has failed
    std::size_t queue_records = 100'000;
    std::size_t queue_bytes = 256UL << 20U;
    std::size_t max_record_bytes = 4UL << 20U;
};

// A header of a record; the name ends with a NUL, as a literal's does.
struct Header {
    const char* name;
    std::string_view value;
};

// What became of one accepted record.
struct Delivery {
    std::uint64_t tag = 0;  // as given to send()
    std::int32_t partition = -1;
    std::int64_t offset = -1;              // where it stands; -1 if it failed
    std::optional<base::Failure> failure;  // retry: not written. unknown: may have been written
};

class Producer {
  public:
    // Called from the producer's own thread, one at a time. Must not block and must not call flush().
    using OnDelivery = std::function<void(const Delivery&)>;
    // A fatal error of librdkafka: all its records have failed and a fresh instance has taken over. Same thread.
    using OnReplaced = std::function<void(const std::string& why)>;

    // Fails only on settings that librdkafka refuses; the broker need not be there yet.
    static base::Expected<std::unique_ptr<Producer>> make(const ProducerSettings& settings, OnDelivery on_delivery,
                                                          OnReplaced on_replaced = {});
    // What is not delivered by now is reported as failed. flush() first to give it a chance.
    ~Producer();
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;

    // Any thread. Copies key, value and headers. Failures: retry (queue full, or being replaced: hold back and try again),
    // refused (too large, or no such topic or partition). On failure the callback is not called for it.
    base::Expected<void> send(const std::string& topic, std::int32_t partition, std::string_view key,
                              std::string_view value, std::uint64_t tag, std::span<const Header> headers = {});

    // Waits until everything accepted so far is delivered or has failed; false if `limit` passed first. Not from the callback.
    bool flush(std::chrono::milliseconds limit);

    // As if librdkafka had met a fatal error; for tests of what follows.
    void inject_fatal_error();

    // Records accepted and not yet reported.
    std::size_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

  private:
    struct Handle;
    Producer(const ProducerSettings& settings, OnDelivery on_delivery, OnReplaced on_replaced);
    base::Expected<std::unique_ptr<Handle>> create();
    void run(std::stop_token stop);
    void replace();
    void fail_all(Handle& handle);
    void report(const Delivery& delivery);
    void no_longer_in_flight();

    ProducerSettings settings_;
    OnDelivery on_delivery_;
    OnReplaced on_replaced_;
    std::atomic<std::size_t> in_flight_{0};
    std::atomic<bool> fatal_{false};
    std::string fatal_reason_;  // of the producer's own thread
    std::shared_mutex handle_mutex_;  // shared: sending through handle_; exclusive: changing the two below
    std::unique_ptr<Handle> handle_;
    bool accepting_ = true;
    std::mutex idle_mutex_;
    std::condition_variable idle_;  // in_flight_ came down to 0
    std::jthread thread_;
};

}  // namespace mimamori::adapters::kafka
