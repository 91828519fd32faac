// What producer, consumer and topics share about librdkafka: settings, errors, handles. Private to this folder.
#pragma once

#include <librdkafka/rdkafka.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "base/failure.h"

namespace mimamori::adapters::kafka {

struct FreeConf {
    void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, FreeConf>;

// Settings on top of those that every client has.
base::Expected<Conf> make_conf(const std::string& bootstrap, const std::string& client_id,
                               std::initializer_list<std::pair<const char*, std::string>> settings);

base::Expected<rd_kafka_t*> make_client(rd_kafka_type_t type, Conf conf);

// refused where the same call would fail again, else retry.
base::Failure failure_of(rd_kafka_resp_err_t error, const std::string& what);

}  // namespace mimamori::adapters::kafka
