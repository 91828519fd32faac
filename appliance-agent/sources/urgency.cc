#include "appliance-agent/sources/urgency.h"

namespace mimamori::agent::sources {

bool is_urgent(domain::Function function, domain::Direction direction, std::int32_t vendor_priority) {
    if (direction != domain::Direction::outbound_malicious) {
        return false;
    }
    switch (function) {
        case domain::Function::av:
        case domain::Function::wg:
            return true;
        case domain::Function::ips:
            return vendor_priority <= 1;
        default:
            return false;
    }
}

}  // namespace mimamori::agent::sources
