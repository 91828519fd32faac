// The fleet role: takes gateways' news of sessions and heartbeats from the presence topic into the table `presence`.
// Not liveness alarms, firmware or enrolment.
#pragma once

#include "platform/role.h"

namespace mimamori::fleet {

base::Expected<void> check(const platform::Config& config);
base::Expected<void> run(platform::Process& process, const platform::Config& config);

}  // namespace mimamori::fleet
