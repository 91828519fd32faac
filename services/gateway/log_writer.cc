#include "gateway/log_writer.h"

#include <fmt/format.h>

#include "base/random.h"
#include "domain/delivery/partitioning.h"
#include "gateway/cloud_event.h"
#include "gateway/events.h"

namespace mimamori::gateway {
namespace {

namespace kafka = adapters::kafka;

// A record's tag in the producer: partition (15 bits) and order (48 bits); presence has a tag of its own.
constexpr std::uint64_t presence_tag = UINT64_MAX;
constexpr unsigned order_bits = 48;
constexpr std::uint64_t order_mask = (1ULL << order_bits) - 1;

constexpr std::uint64_t tag_of(std::int32_t partition, std::uint64_t order) {
    return static_cast<std::uint64_t>(partition) << order_bits | (order & order_mask);
}

}  // namespace

LogWriter::LogWriter(const Settings& settings, platform::Events& events, platform::Metrics& metrics)
    : settings_{settings},
      events_{events},
      source_{"/mimamori/gateway/" + settings.name},
      batches_{metrics.counter("mimamori_gateway_records_total", "Records handed to Kafka, ticks included.")},
      bytes_{metrics.counter("mimamori_gateway_record_bytes_total", "Bytes of these records.")},
      presence_failed_{
          metrics.counter("mimamori_gateway_presence_failed_total", "Presence news that Kafka did not take.")} {}

base::Expected<void> LogWriter::open(std::int32_t presence_partitions, OnDelivery on_delivery) {
    presence_partitions_ = presence_partitions;
    on_delivery_ = std::move(on_delivery);
    kafka::ProducerSettings producer;
    producer.bootstrap = settings_.kafka.bootstrap;
    producer.client_id = "mimamori-gateway";
    producer.linger = settings_.linger;
    producer.delivery_timeout = settings_.delivery_timeout;
    // The cap on unsettled bytes is reached first: the queue must hold all of it.
    producer.queue_bytes = settings_.max_unsettled_bytes + (64UL << 20U);
    producer.queue_records = 1'000'000;
    producer.max_record_bytes = settings_.server.max_frame_bytes + 65'536;
    const auto delivered = [this](const kafka::Delivery& delivery) {
        if (delivery.tag == presence_tag) {
            if (delivery.failure) {
                presence_failed_.Increment();
            }
            return;
        }
        on_delivery_(static_cast<std::int32_t>(delivery.tag >> order_bits), delivery.tag & order_mask, delivery);
    };
    const auto replaced = [this](const std::string& why) { events_.emit(producer_replaced, {{"detail", why}}); };
    return kafka::Producer::make(producer, delivered, replaced).map([this](auto made) { producer_ = std::move(made); });
}

void LogWriter::close() {
    producer_.reset();
}

base::Expected<void> LogWriter::send(std::int32_t partition, std::uint64_t order, std::int64_t key,
                                     const pb::LogRecord& record) {
    thread_local std::string bytes;
    record.SerializeToString(&bytes);
    batches_.Increment();
    bytes_.Increment(static_cast<double>(bytes.size()));
    const auto headers = CloudEvent::of(record.record_id());
    return producer_->send(settings_.kafka.batches_topic, partition, fmt::to_string(key), bytes,
                           tag_of(partition, order), headers.list(source_));
}

base::Expected<void> LogWriter::write(std::int32_t partition, std::uint64_t order, const Origin& origin,
                                      pb::LogRecord& body) {
    body.set_record_id(bytes_of(base::random_bytes16()));
    body.set_customer_id(origin.customer.value);
    body.set_site_id(origin.site.value);
    body.set_rental_id(origin.rental.value);
    body.set_appliance_id(origin.appliance.value);
    return send(partition, order, origin.customer.value, body);
}

base::Expected<void> LogWriter::write_tick(std::int32_t partition, std::uint64_t order, std::int64_t now_us) {
    pb::LogRecord record;
    record.set_record_id(bytes_of(base::random_bytes16()));
    record.set_received_at_us(now_us);
    record.mutable_tick();
    return send(partition, order, 0, record);
}

void LogWriter::write_presence(const pb::Presence& presence) {
    const auto partition = domain::delivery::partition_of(base::CustomerId{presence.rental_id()}, presence_partitions_);
    const auto sent = producer_->send(settings_.kafka.presence_topic, partition, fmt::to_string(presence.rental_id()),
                                      presence.SerializeAsString(), presence_tag);
    if (!sent) {
        presence_failed_.Increment();
    }
}

bool LogWriter::flush(std::chrono::milliseconds limit) {
    return !producer_ || producer_->flush(limit);
}

}  // namespace mimamori::gateway
