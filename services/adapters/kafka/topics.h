// Makes topics and checks that they are what the services were configured for. Partition counts are frozen: a topic
// found with another count is an error, never altered. Topics are never made by writing to them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/failure.h"

namespace mimamori::adapters::kafka {

struct TopicSpec {
    std::string name;
    std::int32_t partitions = 1;
    std::int16_t replication = 1;
    std::map<std::string, std::string> config;  // "retention.ms", "max.message.bytes", ...
};

struct TopicState {
    std::int32_t partitions = 0;
    std::int32_t without_leader = 0;  // partitions that nobody can write to now
};

class Topics {
  public:
    static base::Expected<std::unique_ptr<Topics>> make(const std::string& bootstrap);
    ~Topics();
    Topics(const Topics&) = delete;
    Topics& operator=(const Topics&) = delete;

    // Makes the topic and waits until every partition has a leader. True if it was made, false if it was already there
    // with this partition count (its other settings are left alone). Refused if the count differs.
    base::Expected<bool> create(const TopicSpec& spec, std::chrono::milliseconds timeout);

    // Failures: retry (no broker answers), refused (no such topic).
    base::Expected<TopicState> describe(const std::string& name, std::chrono::milliseconds timeout);

    // The topic is there, has `partitions` partitions and each has a leader.
    base::Expected<void> verify(const std::string& name, std::int32_t partitions, std::chrono::milliseconds timeout);

    base::Expected<void> remove(const std::string& name, std::chrono::milliseconds timeout);  // for tests and operators

  private:
    struct Handle;
    explicit Topics(std::unique_ptr<Handle> handle);
    std::unique_ptr<Handle> handle_;
};

}  // namespace mimamori::adapters::kafka
