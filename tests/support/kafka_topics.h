// Topics of their own for one test on a real broker, named by MIMAMORI_KAFKA_BOOTSTRAP; removed when the object goes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "adapters/kafka/topics.h"

namespace mimamori::test {

std::string kafka_bootstrap();  // throws std::runtime_error that says what to do

class TestTopics {
  public:
    // batches gets `partitions` partitions, progress as many, presence one.
    explicit TestTopics(std::int32_t partitions = 2);
    ~TestTopics();
    TestTopics(const TestTopics&) = delete;
    TestTopics& operator=(const TestTopics&) = delete;

    adapters::kafka::Topics& admin() { return *admin_; }

    const std::int32_t partitions;
    const std::string batches;
    const std::string progress;
    const std::string presence;

  private:
    TestTopics(std::int32_t count, const std::string& prefix);
    std::unique_ptr<adapters::kafka::Topics> admin_;
};

}  // namespace mimamori::test
