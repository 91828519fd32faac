// What the gateway is configured with: section [gateway] and the sections it shares.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "adapters/grpc/uplink_server.h"
#include "domain/delivery/gateway_session.h"
#include "platform/config.h"
#include "store/connection.h"

namespace mimamori::gateway {

struct Settings {
    adapters::grpc::ServerSettings server;
    domain::delivery::SessionLimits session;
    std::string name;                     // of this gateway, in presence
    std::size_t database_workers = 4;     // threads, one PostgreSQL session each
    std::size_t session_threads = 2;      // each owns some partitions with their sessions
    std::uint64_t max_unsettled_bytes = 0;  // of all sessions together
    std::chrono::milliseconds heartbeat{30'000};            // how often an agent is to be heard; silent for three of them: cut off
    std::chrono::milliseconds tell_interval{1'000};        // between watermarks of a session in which little happens
    std::chrono::milliseconds linger{20};                  // for more records that go to Kafka together
    std::chrono::milliseconds hello_limit{10'000};         // from connecting to Hello
    std::chrono::milliseconds revocation_interval{2'000};  // between readings of the deny list
    std::chrono::milliseconds delivery_timeout{30'000};    // of a record to Kafka
    std::chrono::milliseconds probe_interval{
        10'000};  // between probes of the own listener; three that fail: start anew
    std::chrono::milliseconds drain_limit{20'000};
    platform::KafkaConfig kafka;
    store::Login login;
};

base::Expected<Settings> read_settings(const platform::Config& config);

}  // namespace mimamori::gateway
