#include "correlator/poll.h"

#include <algorithm>

#include "base/text.h"

namespace mimamori::correlator {

void Poll::alarm(const platform::Event& event, std::string subject, std::string detail, const OpenedRecord* about) {
    const bool known = std::any_of(alarms.begin(), alarms.end(),
                                   [&](const auto& a) { return a.event->id == event.id && a.subject == subject; });
    if (!known && alarms.size() < most_alarms) {
        const bool traced = about != nullptr && about->state != OpenedRecord::State::unreadable;
        alarms.push_back({&event, std::move(subject), std::move(detail),
                          traced ? base::to_hex(about->view.record_id) : std::string{}});
    }
}

}  // namespace mimamori::correlator
