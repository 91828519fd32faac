#include "adapters/kafka/topics.h"

#include <array>
#include <thread>

#include <fmt/format.h>

#include "adapters/kafka/client.h"

namespace mimamori::adapters::kafka {

using base::Expected;
using base::FailureKind;
using Milliseconds = std::chrono::milliseconds;

struct Topics::Handle {
    explicit Handle(rd_kafka_t* given) : client{given}, queue{rd_kafka_queue_new(given)} {}
    ~Handle() {
        rd_kafka_queue_destroy(queue);
        rd_kafka_destroy(client);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    rd_kafka_t* client;
    rd_kafka_queue_t* queue;
};

namespace {

struct FreeEvent {
    void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};
struct FreeOptions {
    void operator()(rd_kafka_AdminOptions_t* options) const { rd_kafka_AdminOptions_destroy(options); }
};
struct FreeNewTopic {
    void operator()(rd_kafka_NewTopic_t* topic) const { rd_kafka_NewTopic_destroy(topic); }
};
struct FreeDeleteTopic {
    void operator()(rd_kafka_DeleteTopic_t* topic) const { rd_kafka_DeleteTopic_destroy(topic); }
};

using Options = std::unique_ptr<rd_kafka_AdminOptions_t, FreeOptions>;

Options options_for(rd_kafka_t* client, rd_kafka_admin_op_t operation, Milliseconds timeout) {
    Options options{rd_kafka_AdminOptions_new(client, operation)};
    std::array<char, 256> ignored{};
    const auto ms = static_cast<int>(timeout.count());
    rd_kafka_AdminOptions_set_request_timeout(options.get(), ms, ignored.data(), ignored.size());
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), ms, ignored.data(), ignored.size());
    return options;
}

// The answer to the one request on `queue`, as the error of its one topic.
rd_kafka_resp_err_t answer_of(rd_kafka_queue_t* queue, Milliseconds timeout, std::string& text) {
    const std::unique_ptr<rd_kafka_event_t, FreeEvent> event{
        rd_kafka_queue_poll(queue, static_cast<int>(timeout.count()) + 1000)};
    if (!event) {
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        text = rd_kafka_event_error_string(event.get());
        return rd_kafka_event_error(event.get());
    }
    std::size_t count = 0;
    const rd_kafka_topic_result_t** results = nullptr;
    if (const auto* created = rd_kafka_event_CreateTopics_result(event.get()); created != nullptr) {
        results = rd_kafka_CreateTopics_result_topics(created, &count);
    } else if (const auto* removed = rd_kafka_event_DeleteTopics_result(event.get()); removed != nullptr) {
        results = rd_kafka_DeleteTopics_result_topics(removed, &count);
    }
    if (count != 1) {
        return RD_KAFKA_RESP_ERR__BAD_MSG;
    }
    const char* why = rd_kafka_topic_result_error_string(results[0]);
    text = why == nullptr ? "" : why;
    return rd_kafka_topic_result_error(results[0]);
}

}  // namespace

Expected<std::unique_ptr<Topics>> Topics::make(const std::string& bootstrap) {
    auto conf = make_conf(bootstrap, "mimamori-topics", {});
    if (!conf) {
        return tl::unexpected{conf.error()};
    }
    return make_client(RD_KAFKA_PRODUCER, std::move(*conf)).map([](rd_kafka_t* client) {
        return std::unique_ptr<Topics>{new Topics{std::make_unique<Handle>(client)}};
    });
}

Topics::Topics(std::unique_ptr<Handle> handle) : handle_{std::move(handle)} {}
Topics::~Topics() = default;

Expected<bool> Topics::create(const TopicSpec& spec, Milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    std::array<char, 512> why{};
    const std::unique_ptr<rd_kafka_NewTopic_t, FreeNewTopic> topic{
        rd_kafka_NewTopic_new(spec.name.c_str(), spec.partitions, spec.replication, why.data(), why.size())};
    if (!topic) {
        return base::failure(FailureKind::refused, fmt::format("topic {}: {}", spec.name, why.data()));
    }
    for (const auto& [name, value] : spec.config) {
        if (rd_kafka_NewTopic_set_config(topic.get(), name.c_str(), value.c_str()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return base::failure(FailureKind::refused, fmt::format("topic {}: setting {}", spec.name, name));
        }
    }
    const auto options = options_for(handle_->client, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout);
    rd_kafka_NewTopic_t* list = topic.get();
    rd_kafka_CreateTopics(handle_->client, &list, 1, options.get(), handle_->queue);
    std::string text;
    const auto error = answer_of(handle_->queue, timeout, text);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        return tl::unexpected{failure_of(error, fmt::format("create topic {}: {}", spec.name, text))};
    }
    // The metadata of a new topic reaches its clients a moment later.
    while (true) {
        auto verified = verify(spec.name, spec.partitions, Milliseconds{2000});
        if (verified) {
            return error == RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        const bool made_now = error == RD_KAFKA_RESP_ERR_NO_ERROR;
        if ((verified.error().kind == FailureKind::refused && !made_now) || std::chrono::steady_clock::now() > deadline) {
            return tl::unexpected{verified.error()};
        }
        std::this_thread::sleep_for(Milliseconds{20});
    }
}

Expected<TopicState> Topics::describe(const std::string& name, Milliseconds timeout) {
    rd_kafka_topic_t* topic = rd_kafka_topic_new(handle_->client, name.c_str(), nullptr);
    if (topic == nullptr) {
        return tl::unexpected{failure_of(rd_kafka_last_error(), fmt::format("topic {}", name))};
    }
    const struct rd_kafka_metadata* metadata = nullptr;
    const auto error = rd_kafka_metadata(handle_->client, 0, topic, &metadata, static_cast<int>(timeout.count()));
    rd_kafka_topic_destroy(topic);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return tl::unexpected{failure_of(error, fmt::format("describe topic {}", name))};
    }
    const auto state = [&]() -> Expected<TopicState> {
        if (metadata->topic_cnt != 1) {
            return base::failure(FailureKind::retry, fmt::format("topic {}: no metadata", name));
        }
        const auto& found = metadata->topics[0];
        if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return tl::unexpected{failure_of(found.err, fmt::format("topic {}", name))};
        }
        TopicState out{found.partition_cnt, 0};
        for (int i = 0; i < found.partition_cnt; ++i) {
            out.without_leader += found.partitions[i].leader < 0 ? 1 : 0;
        }
        return out;
    }();
    rd_kafka_metadata_destroy(metadata);
    return state;
}

Expected<void> Topics::verify(const std::string& name, std::int32_t partitions, Milliseconds timeout) {
    const auto state = describe(name, timeout);
    if (!state) {
        return tl::unexpected{state.error()};
    }
    if (state->partitions != partitions) {
        return base::failure(FailureKind::refused,
                             fmt::format("topic {} has {} partitions, not the {} of the setting kafka.partitions: partition "
                                         "counts are frozen, correct the setting",
                                         name, state->partitions, partitions));
    }
    if (state->without_leader > 0) {
        return base::failure(FailureKind::retry, fmt::format("{} of {} partitions of topic {} have no leader",
                                                             state->without_leader, partitions, name));
    }
    return {};
}

Expected<void> Topics::remove(const std::string& name, Milliseconds timeout) {
    const std::unique_ptr<rd_kafka_DeleteTopic_t, FreeDeleteTopic> topic{rd_kafka_DeleteTopic_new(name.c_str())};
    const auto options = options_for(handle_->client, RD_KAFKA_ADMIN_OP_DELETETOPICS, timeout);
    rd_kafka_DeleteTopic_t* list = topic.get();
    rd_kafka_DeleteTopics(handle_->client, &list, 1, options.get(), handle_->queue);
    std::string text;
    if (const auto error = answer_of(handle_->queue, timeout, text); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return tl::unexpected{failure_of(error, fmt::format("delete topic {}: {}", name, text))};
    }
    return {};
}

}  // namespace mimamori::adapters::kafka
