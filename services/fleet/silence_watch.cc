#include "fleet/silence_watch.h"

#include <algorithm>

#include <fmt/format.h>

#include "fleet/events.h"
#include "store/alarms.h"
#include "store/fleet_presence.h"

namespace mimamori::fleet {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds longest_between_looks{10'000};
constexpr std::string_view everybody = "every agent";

}  // namespace

SilenceWatch::SilenceWatch(std::chrono::milliseconds silent_after, const platform::Clock& clock,
                           platform::Events& events)
    : liveness_{silent_after}, clock_{clock}, events_{events} {}

void SilenceWatch::reading() {
    liveness_.reading(steady_clock::now());
}

void SilenceWatch::heard(base::Time newest) {
    liveness_.heard(steady_clock::now(), clock_.now() - newest);
}

base::Expected<void> SilenceWatch::look(store::Connection& connection) {
    const auto now = steady_clock::now();
    if (now < next_look_) {
        return {};
    }
    next_look_ = now + std::min(longest_between_looks, liveness_.silent_after() / 10);
    const auto verdict = liveness_.look(now);
    const auto before = clock_.now() - liveness_.silent_after();
    if (auto closed = store::close_heard_agents(connection, agent_silent.id, everybody, before); !closed) {
        return closed;
    }
    if (auto told = tell_of_all(connection, verdict == domain::Liveness::Verdict::deaf); !told) {
        return told;
    }
    if (verdict != domain::Liveness::Verdict::judging) {
        return {};
    }
    auto raised = store::raise_silent_agents(connection, agent_silent.id, before);
    if (!raised) {
        return tl::unexpected{raised.error()};
    }
    for (const auto& agent : *raised) {
        events_.emit(agent_silent, {{"subject", agent.subject}, {"detail", agent.detail}});
    }
    return {};
}

base::Expected<void> SilenceWatch::tell_of_all(store::Connection& connection, bool deaf) {
    if (deaf_told_ == deaf) {
        return {};
    }
    if (!deaf) {
        return store::close_alarm(connection, agent_silent.id, everybody).map([&] { deaf_told_ = false; });
    }
    const auto detail = fmt::format("no agent was heard of for {} s", liveness_.silent_after().count() / 1000);
    return store::raise_silence_of_all(connection, agent_silent.id, everybody, detail).map([&](bool raised) {
        if (raised) {
            events_.emit(agent_silent, {{"subject", everybody}, {"detail", detail}});
            deaf_told_ = true;
        }
    });
}

}  // namespace mimamori::fleet
