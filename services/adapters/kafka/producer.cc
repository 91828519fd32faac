#include "adapters/kafka/producer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "adapters/kafka/client.h"

namespace mimamori::adapters::kafka {

using base::Expected;
using base::FailureKind;

struct Producer::Handle {
    explicit Handle(rd_kafka_t* given) : client{given} {}
    ~Handle() { rd_kafka_destroy(client); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
        Delivery delivery{reinterpret_cast<std::uintptr_t>(message->_private), message->partition, message->offset, {}};
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            delivery.offset = -1;
            delivery.failure = failure_of(message->err, "Kafka did not take a record");
            if (rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED) {
                delivery.failure->kind = FailureKind::unknown;
            }
        }
        static_cast<Producer*>(opaque)->report(delivery);
    }

    static void on_error(rd_kafka_t* client, int error, const char*, void* opaque) {
        auto& producer = *static_cast<Producer*>(opaque);
        if (static_cast<rd_kafka_resp_err_t>(error) == RD_KAFKA_RESP_ERR__FATAL) {
            std::array<char, 512> why{};
            rd_kafka_fatal_error(client, why.data(), why.size());
            producer.fatal_reason_ = why.data();
            producer.fatal_ = true;
        }
    }

    rd_kafka_t* client;
};

namespace {

struct FreeHeaders {
    void operator()(rd_kafka_headers_t* headers) const { rd_kafka_headers_destroy(headers); }
};

}  // namespace

Expected<std::unique_ptr<Producer>> Producer::make(const ProducerSettings& settings, OnDelivery on_delivery,
                                                   OnReplaced on_replaced) {
    std::unique_ptr<Producer> producer{new Producer{settings, std::move(on_delivery), std::move(on_replaced)}};
    auto handle = producer->create();
    if (!handle) {
        return tl::unexpected{handle.error()};
    }
    producer->handle_ = std::move(*handle);
    producer->thread_ = std::jthread{[raw = producer.get()](std::stop_token stop) { raw->run(stop); }};
    return producer;
}

Producer::Producer(const ProducerSettings& settings, OnDelivery on_delivery, OnReplaced on_replaced)
    : settings_{settings}, on_delivery_{std::move(on_delivery)}, on_replaced_{std::move(on_replaced)} {}

Producer::~Producer() {
    if (thread_.joinable()) {
        thread_.request_stop();
        thread_.join();
    }
    if (handle_) {
        fail_all(*handle_);
    }
}

Expected<std::unique_ptr<Producer::Handle>> Producer::create() {
    auto conf = make_conf(settings_.bootstrap, settings_.client_id,
                          {{"enable.idempotence", "true"},
                           {"acks", "all"},
                           {"compression.codec", settings_.compression},
                           {"linger.ms", fmt::to_string(settings_.linger.count())},
                           {"message.timeout.ms", fmt::to_string(settings_.delivery_timeout.count())},
                           {"queue.buffering.max.messages", fmt::to_string(settings_.queue_records)},
                           {"queue.buffering.max.kbytes", fmt::to_string(std::max<std::size_t>(1, settings_.queue_bytes >> 10U))},
                           {"message.max.bytes", fmt::to_string(settings_.max_record_bytes)}});
    if (!conf) {
        return tl::unexpected{conf.error()};
    }
    rd_kafka_conf_set_opaque(conf->get(), this);
    rd_kafka_conf_set_dr_msg_cb(conf->get(), &Handle::on_delivery);
    rd_kafka_conf_set_error_cb(conf->get(), &Handle::on_error);
    return make_client(RD_KAFKA_PRODUCER, std::move(*conf)).map([](rd_kafka_t* client) {
        return std::make_unique<Handle>(client);
    });
}

Expected<void> Producer::send(const std::string& topic, std::int32_t partition, std::string_view key,
                              std::string_view value, std::uint64_t tag, std::span<const Header> headers) {
    const std::shared_lock lock{handle_mutex_};
    if (!accepting_) {
        return base::failure(FailureKind::retry, "the Kafka producer is being replaced after a fatal error");
    }
    in_flight_.fetch_add(1, std::memory_order_relaxed);
    std::unique_ptr<rd_kafka_headers_t, FreeHeaders> list{headers.empty() ? nullptr : rd_kafka_headers_new(headers.size())};
    for (const auto& header : headers) {
        rd_kafka_header_add(list.get(), header.name, -1, header.value.data(), static_cast<ssize_t>(header.value.size()));
    }
    const auto error = rd_kafka_producev(
        handle_->client, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_HEADERS(list.get()),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(const_cast<char*>(key.data()), key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
        RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(static_cast<std::uintptr_t>(tag))), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        no_longer_in_flight();
        return tl::unexpected{failure_of(error, fmt::format("send to {}/{}", topic, partition))};
    }
    (void)list.release();  // the record owns it now
    return {};
}

void Producer::report(const Delivery& delivery) {
    on_delivery_(delivery);
    no_longer_in_flight();
}

void Producer::no_longer_in_flight() {
    if (in_flight_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard lock{idle_mutex_};
        idle_.notify_all();
    }
}

bool Producer::flush(std::chrono::milliseconds limit) {
    std::unique_lock lock{idle_mutex_};
    return idle_.wait_for(lock, limit, [&] { return in_flight_.load(std::memory_order_acquire) == 0; });
}

void Producer::inject_fatal_error() {
    const std::shared_lock lock{handle_mutex_};
    rd_kafka_test_fatal_error(handle_->client, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "asked for by a test");
}

// until stopped: serve callbacks (delivery reports, errors); after a fatal error take a fresh instance
void Producer::run(std::stop_token stop) {
    while (!stop.stop_requested()) {
        rd_kafka_poll(handle_->client, 50);
        if (fatal_) {
            replace();
        }
    }
}

// Every record still with `handle` is reported as failed: at once, for purging needs no broker.
void Producer::fail_all(Handle& handle) {
    rd_kafka_purge(handle.client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (rd_kafka_outq_len(handle.client) > 0) {
        rd_kafka_poll(handle.client, 20);
    }
}

void Producer::replace() {
    {
        const std::unique_lock lock{handle_mutex_};
        accepting_ = false;
    }
    fail_all(*handle_);
    auto fresh = create();  // the settings were accepted before, so only memory or threads can be short
    if (!fresh) {
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
        return;  // run() comes back
    }
    fatal_ = false;
    {
        const std::unique_lock lock{handle_mutex_};
        handle_.swap(*fresh);
        accepting_ = true;
    }
    if (on_replaced_) {
        on_replaced_(fatal_reason_);
    }
}

}  // namespace mimamori::adapters::kafka
