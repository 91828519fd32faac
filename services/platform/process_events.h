// The operational events of every role's process.
#pragma once

#include "platform/events.h"

namespace mimamori::platform {

inline constexpr Event process_started{"process_started", Level::info, "All parts of the role run."};
inline constexpr Event process_stopping{"process_stopping", Level::info, "The role stops and drains what it holds."};
inline constexpr Event process_stopped{"process_stopped", Level::info, "The role ended in order."};
inline constexpr Event process_part_failed{"process_part_failed", Level::error, "A part failed; the whole process stops."};
inline constexpr Event process_failed{"process_failed", Level::error, "The role ended with a failure."};
inline constexpr Event process_drain_overrun{
    "process_drain_overrun", Level::error, "Stopping took longer than the limit; the process ended at once."};

}  // namespace mimamori::platform
