#include "adapters/kafka/consumer.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "adapters/kafka/client.h"

namespace mimamori::adapters::kafka {

using base::Expected;
using base::FailureKind;

namespace {

struct FreeList {
    void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, FreeList>;

PartitionList list_of(std::span<const Position> positions) {
    PartitionList list{rd_kafka_topic_partition_list_new(static_cast<int>(positions.size()))};
    for (const auto& position : positions) {
        rd_kafka_topic_partition_list_add(list.get(), position.topic.c_str(), position.partition)->offset = position.offset;
    }
    return list;
}

Problem problem_of(rd_kafka_resp_err_t error, std::int32_t partition, const char* text) {
    const auto kind = [&] {
        switch (error) {
            case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
            case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
                return ProblemKind::out_of_range;
            case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
            case RD_KAFKA_RESP_ERR__TRANSPORT:
            case RD_KAFKA_RESP_ERR__RESOLVE:
            case RD_KAFKA_RESP_ERR__TIMED_OUT:
                return ProblemKind::broker_away;
            case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
            case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
            case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
                return ProblemKind::partition_unknown;
            default:
                return ProblemKind::other;
        }
    }();
    return {kind, partition, fmt::format("{}: {}", rd_kafka_err2name(error), text == nullptr ? "" : text)};
}

}  // namespace

std::string_view Record::topic() const {
    return rd_kafka_topic_name(message_->rkt);
}
std::int32_t Record::partition() const {
    return message_->partition;
}
std::int64_t Record::offset() const {
    return message_->offset;
}
std::int64_t Record::timestamp_ms() const {
    return rd_kafka_message_timestamp(message_.get(), nullptr);
}
std::string_view Record::key() const {
    return {static_cast<const char*>(message_->key), message_->key_len};
}
std::string_view Record::value() const {
    return {static_cast<const char*>(message_->payload), message_->len};
}
std::optional<std::string_view> Record::header(const char* name) const {
    rd_kafka_headers_t* headers = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    if (rd_kafka_message_headers(message_.get(), &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return std::nullopt;
    }
    return std::string_view{static_cast<const char*>(value), size};
}
void Record::Free::operator()(rd_kafka_message_s* message) const {
    rd_kafka_message_destroy(message);
}

struct Consumer::Handle {
    ~Handle() {
        if (client != nullptr) {
            rd_kafka_consumer_close(client);
            rd_kafka_destroy(client);
        }
    }

    // Errors about no partition in particular; called inside poll().
    static void on_error(rd_kafka_t*, int error, const char* text, void* opaque) {
        auto& problems = static_cast<Handle*>(opaque)->problems;
        if (problems.size() < max_problems) {
            problems.push_back(problem_of(static_cast<rd_kafka_resp_err_t>(error), -1, text));
        }
    }

    static constexpr std::size_t max_problems = 100;
    rd_kafka_t* client = nullptr;
    std::vector<Problem> problems;
};

Expected<std::unique_ptr<Consumer>> Consumer::make(const ConsumerSettings& settings) {
    const auto fetch_bytes = std::max<std::size_t>(settings.fetch_bytes_per_partition, 1024);
    auto conf = make_conf(
        settings.bootstrap, settings.client_id,
        {{"group.id", settings.client_id},  // assign() wants one; nothing is ever committed to it
         {"enable.auto.commit", "false"},
         {"enable.auto.offset.store", "false"},
         {"enable.partition.eof", "false"},
         {"auto.offset.reset", "error"},
         {"queued.min.messages", "10000000"},  // bytes are the limit, not the count
         {"queued.max.messages.kbytes", fmt::to_string(std::max<std::size_t>(settings.queue_bytes >> 10U, 1024))},
         {"max.partition.fetch.bytes", fmt::to_string(fetch_bytes)},
         {"fetch.wait.max.ms", fmt::to_string(settings.fetch_wait.count())},
         {"fetch.error.backoff.ms", "100"}});
    if (!conf) {
        return tl::unexpected{conf.error()};
    }
    auto handle = std::make_unique<Handle>();
    rd_kafka_conf_set_opaque(conf->get(), handle.get());
    rd_kafka_conf_set_error_cb(conf->get(), &Handle::on_error);
    auto client = make_client(RD_KAFKA_CONSUMER, std::move(*conf));
    if (!client) {
        return tl::unexpected{client.error()};
    }
    handle->client = *client;
    rd_kafka_poll_set_consumer(handle->client);
    return std::unique_ptr<Consumer>{new Consumer{std::move(handle)}};
}

Consumer::Consumer(std::unique_ptr<Handle> handle) : handle_{std::move(handle)} {}
Consumer::~Consumer() = default;

Expected<void> Consumer::assign(std::span<const Position> positions) {
    const auto list = list_of(positions);
    const auto error = rd_kafka_assign(handle_->client, positions.empty() ? nullptr : list.get());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return tl::unexpected{failure_of(error, "assign partitions")};
    }
    return {};
}

Polled Consumer::poll(std::size_t max_records, std::chrono::milliseconds timeout) {
    Polled polled;
    auto wait = static_cast<int>(timeout.count());
    while (polled.records.size() < max_records && polled.problems.size() < Handle::max_problems) {
        rd_kafka_message_t* message = rd_kafka_consumer_poll(handle_->client, wait);
        if (message == nullptr) {
            break;
        }
        wait = 0;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            polled.records.emplace_back(message);
            continue;
        }
        polled.problems.push_back(problem_of(message->err, message->rkt == nullptr ? -1 : message->partition,
                                             rd_kafka_message_errstr(message)));
        rd_kafka_message_destroy(message);
    }
    std::move(handle_->problems.begin(), handle_->problems.end(), std::back_inserter(polled.problems));
    handle_->problems.clear();
    return polled;
}

Expected<void> Consumer::pause(const std::string& topic, std::int32_t partition) {
    const auto list = list_of(std::array{Position{topic, partition, 0}});
    rd_kafka_pause_partitions(handle_->client, list.get());
    if (list->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return tl::unexpected{failure_of(list->elems[0].err, fmt::format("pause {}/{}", topic, partition))};
    }
    return {};
}

Expected<void> Consumer::resume(const std::string& topic, std::int32_t partition) {
    const auto list = list_of(std::array{Position{topic, partition, 0}});
    rd_kafka_resume_partitions(handle_->client, list.get());
    if (list->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return tl::unexpected{failure_of(list->elems[0].err, fmt::format("resume {}/{}", topic, partition))};
    }
    return {};
}

Expected<Watermarks> Consumer::query_watermarks(const std::string& topic, std::int32_t partition,
                                                std::chrono::milliseconds timeout) {
    Watermarks marks{};
    const auto error = rd_kafka_query_watermark_offsets(handle_->client, topic.c_str(), partition, &marks.low, &marks.high,
                                                        static_cast<int>(timeout.count()));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return tl::unexpected{failure_of(error, fmt::format("ask for the offsets of {}/{}", topic, partition))};
    }
    return marks;
}

Expected<std::optional<Record>> Consumer::read_record(const std::string& topic, std::int32_t partition,
                                                      std::int64_t offset, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const auto left = [&] {
        return std::max(std::chrono::milliseconds{1},
                        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()));
    };
    const auto marks = query_watermarks(topic, partition, left());
    if (!marks) {
        return tl::unexpected{marks.error()};
    }
    if (offset < marks->low || offset >= marks->high) {
        return std::nullopt;
    }
    if (auto assigned = assign(std::array{Position{topic, partition, offset}}); !assigned) {
        return tl::unexpected{assigned.error()};
    }
    std::optional<Record> found;
    bool passed = false;
    while (!found && !passed && std::chrono::steady_clock::now() < deadline) {
        auto polled = poll(1, left());
        for (const auto& problem : polled.problems) {
            passed = passed || problem.kind == ProblemKind::out_of_range;  // lost between the question and the read
        }
        if (!polled.records.empty()) {
            passed = true;
            if (polled.records[0].offset() == offset) {
                found = std::move(polled.records[0]);
            }
        }
    }
    if (!passed) {
        return base::failure(FailureKind::retry, fmt::format("no answer for {}/{} at offset {}", topic, partition, offset));
    }
    return found;
}

}  // namespace mimamori::adapters::kafka
