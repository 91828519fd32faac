#include "adapters/kafka/client.h"

#include <array>

#include <fmt/format.h>

namespace mimamori::adapters::kafka {

base::Expected<Conf> make_conf(const std::string& bootstrap, const std::string& client_id,
                               std::initializer_list<std::pair<const char*, std::string>> settings) {
    Conf conf{rd_kafka_conf_new()};
    std::array<char, 512> why{};
    const auto set = [&](const char* name, const std::string& value) {
        return rd_kafka_conf_set(conf.get(), name, value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK;
    };
    const std::initializer_list<std::pair<const char*, std::string>> common{
        {"bootstrap.servers", bootstrap},          {"client.id", client_id},
        {"allow.auto.create.topics", "false"},     {"socket.keepalive.enable", "true"},
        {"reconnect.backoff.ms", "50"},            {"reconnect.backoff.max.ms", "1000"},
    };
    for (const auto& list : {common, settings}) {
        for (const auto& [name, value] : list) {
            if (!set(name, value)) {
                return base::failure(base::FailureKind::refused, fmt::format("Kafka setting {}: {}", name, why.data()));
            }
        }
    }
    // librdkafka writes to stderr by itself; what matters comes back as values.
    rd_kafka_conf_set_log_cb(conf.get(), nullptr);
    return conf;
}

base::Expected<rd_kafka_t*> make_client(rd_kafka_type_t type, Conf conf) {
    std::array<char, 512> why{};
    rd_kafka_t* client = rd_kafka_new(type, conf.get(), why.data(), why.size());
    if (client == nullptr) {
        return base::failure(base::FailureKind::refused, fmt::format("cannot make a Kafka client: {}", why.data()));
    }
    (void)conf.release();  // the client owns it now
    return client;
}

base::Failure failure_of(rd_kafka_resp_err_t error, const std::string& what) {
    const auto text = fmt::format("{}: {}", what, rd_kafka_err2str(error));
    switch (error) {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_INVALID_MSG:
        case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
        case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
        case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
        case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        case RD_KAFKA_RESP_ERR__INVALID_ARG:
            return {base::FailureKind::refused, text};
        default:
            return {base::FailureKind::retry, text};
    }
}

}  // namespace mimamori::adapters::kafka
