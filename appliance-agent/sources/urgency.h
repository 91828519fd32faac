// Which detections overtake the agent's own backlog. Decided on the agent from what it knows; it is not the severity,
// which the service decides later from versioned data.
#pragma once

#include <cstdint>

#include "domain/detection.h"

namespace mimamori::agent::sources {

// A device inside may be infected: virus or dangerous site going out, and intrusions going out that the detector calls
// worst (vendor priority 1) or does not grade (0). Everything else can wait its turn.
bool is_urgent(domain::Function function, domain::Direction direction, std::int32_t vendor_priority);

}  // namespace mimamori::agent::sources
