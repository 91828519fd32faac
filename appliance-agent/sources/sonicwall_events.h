// Which of SonicWall's message ids (`m=`) are detections, and of which function of the service: data, after the pilot's
// categories and SonicOS's log event reference. An id that is not here is skipped and counted.
#pragma once

#include <cstdint>
#include <string_view>

#include "domain/detection.h"

namespace mimamori::agent::sources {

enum class SonicwallKind : std::uint8_t {
    threat,   // the function below
    site,     // WG or UF by the site's category, or a URL block
    address,  // an IP block
};

struct SonicwallEvent {
    std::uint32_t first, last;  // ids
    SonicwallKind kind;
    domain::Function function;
    domain::Action action;  // unless the line's fw_action says
    std::string_view name;  // where the line has no message
};

const SonicwallEvent* sonicwall_event(std::uint32_t id);  // null: no detection

}  // namespace mimamori::agent::sources
