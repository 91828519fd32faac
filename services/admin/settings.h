// What the operator's commands are configured with: section [admin].
#pragma once

#include <cstdint>

#include "base/failure.h"
#include "platform/config.h"

namespace mimamori::admin {

struct Settings {
    std::int16_t topic_replication;
    std::int64_t batches_retention_ms;
    int retention_days;  // detections, quarantine and block tallies younger than this are never dropped
};

base::Expected<Settings> read_settings(const platform::Config& config);

}  // namespace mimamori::admin
