// What a run was, for whoever compares it with the database: progress on standard output, and a file with figures and
// every stream's end. JSON, one object a line or one file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/failure.h"
#include "bench/load/driver.h"

namespace mimamori::bench {

struct Run {
    std::int64_t began_us = 0, phases_ended_us = 0, settled_us = 0;  // steady clock
    std::uint64_t settled_in_phases = 0;
};

void tell(const char* event, const Run& run, const Standing& standing);
base::Expected<void> write_report(const Options& options, const Traffic& traffic, const Run& run,
                                  const std::vector<std::unique_ptr<Driver>>& drivers);

}  // namespace mimamori::bench
