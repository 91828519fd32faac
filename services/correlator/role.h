// The correlator: reads the log, applies the rules, writes detections and findings.
#pragma once

#include "platform/role.h"

namespace mimamori::correlator {

base::Expected<void> check(const platform::Config& config);
base::Expected<void> run(platform::Process& process, const platform::Config& config);

}  // namespace mimamori::correlator
