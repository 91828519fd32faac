#include "support/kafka_topics.h"

#include <chrono>
#include <cstdlib>
#include <stdexcept>

#include "base/random.h"
#include "base/text.h"

namespace mimamori::test {

using namespace std::chrono_literals;

std::string kafka_bootstrap() {
    const char* value = std::getenv("MIMAMORI_KAFKA_BOOTSTRAP");
    if (value == nullptr) {
        throw std::runtime_error("MIMAMORI_KAFKA_BOOTSTRAP is not set: start Kafka (deploy/dev/stack) and name it");
    }
    return value;
}

TestTopics::TestTopics(std::int32_t count) : TestTopics{count, "test." + base::to_hex(base::random_bytes16())} {}

TestTopics::TestTopics(std::int32_t count, const std::string& prefix)
    : partitions{count}, batches{prefix + ".batches"}, progress{prefix + ".progress"}, presence{prefix + ".presence"} {
    auto admin = adapters::kafka::Topics::make(kafka_bootstrap());
    if (!admin) {
        throw std::runtime_error(admin.error().what);
    }
    admin_ = std::move(*admin);
    for (const auto& [name, parts] : {std::pair{batches, count}, std::pair{progress, count}, std::pair{presence, 1}}) {
        if (auto made = admin_->create({name, parts, 1, {{"max.message.bytes", "8388608"}}}, 30s); !made) {
            throw std::runtime_error(made.error().what);
        }
    }
}

TestTopics::~TestTopics() {
    for (const auto& name : {batches, progress, presence}) {
        (void)admin_->remove(name, 10s);
    }
}

}  // namespace mimamori::test
