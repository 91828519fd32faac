#include "admin/settings.h"

namespace mimamori::admin {

base::Expected<Settings> read_settings(const platform::Config& config) {
    auto section = config.section("admin");
    Settings out{};
    out.topic_replication = static_cast<std::int16_t>(section.count("topic_replication", 1, 1, 9));
    // Longer than the age of the oldest backup that one would restore: Kafka is replayed after a restore.
    out.batches_retention_ms = section.count("batches_retention_hours", 35 * 24, 1, 10 * 366 * 24) * 3'600'000;
    // A year of comparison and a month in hand.
    out.retention_days = static_cast<int>(section.count("retention_days", 400, 31, 36'500));
    if (auto done = section.finish(); !done) {
        return tl::unexpected{done.error()};
    }
    return out;
}

}  // namespace mimamori::admin
