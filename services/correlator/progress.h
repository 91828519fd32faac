// Tells the gateways what one committed transaction reached. May be lost: they read PostgreSQL then.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "adapters/kafka/producer.h"
#include "correlator/poll_applier.h"

namespace mimamori::correlator {

// A record of the progress topic.
std::string progress_record(const delivery::Generation& generation, std::int32_t partition, const Applied& applied);

class ProgressWriter {
  public:
    static base::Expected<std::unique_ptr<ProgressWriter>> make(const std::string& bootstrap, const std::string& topic,
                                                                platform::Events& events);
    // Any thread; never waits. Only after the commit.
    void tell(const delivery::Generation& generation, std::int32_t partition, const Applied& applied);
    // Gives what was told a chance to arrive.
    void flush(std::chrono::milliseconds limit) { producer_->flush(limit); }

  private:
    ProgressWriter(std::string topic, platform::Events& events) : topic_{std::move(topic)}, events_{events} {}

    std::string topic_;
    platform::Events& events_;
    std::unique_ptr<adapters::kafka::Producer> producer_;
};

}  // namespace mimamori::correlator
