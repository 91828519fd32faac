// The fleet's operational events; each has a paragraph in deploy/runbook/.
#pragma once

#include "platform/events.h"

namespace mimamori::fleet {

inline constexpr platform::Event presence_reading{
    "presence_reading", platform::Level::info, "The presence topic is read from the stored cursors."};
inline constexpr platform::Event presence_interrupted{
    "presence_interrupted", platform::Level::warning, "Presence cannot be read or written now; it is tried again."};
inline constexpr platform::Event presence_gap{
    "presence_gap", platform::Level::warning, "Kafka does not hold the presence news asked for; reading goes on with the oldest it has."};
inline constexpr platform::Event presence_unreadable{
    "presence_unreadable", platform::Level::error, "A record of the presence topic cannot be read and is left out."};
inline constexpr platform::Event agent_silent{"agent_silent", platform::Level::alarm,
                                              "An agent, or every agent, was not heard of for too long."};

}  // namespace mimamori::fleet
