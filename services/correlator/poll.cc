#include "correlator/poll.h"

#include <algorithm>

namespace mimamori::correlator {

void Poll::alarm(const platform::Event& event, std::string subject, std::string detail) {
    const bool known = std::any_of(alarms.begin(), alarms.end(),
                                   [&](const auto& a) { return a.event->id == event.id && a.subject == subject; });
    if (!known && alarms.size() < most_alarms) {
        alarms.push_back({&event, std::move(subject), std::move(detail)});
    }
}

}  // namespace mimamori::correlator
