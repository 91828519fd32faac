#include "platform/health.h"

#include <fmt/format.h>

#include "platform/events.h"

namespace mimamori::platform {

Health::Check Health::check(std::string name) {
    const std::scoped_lock lock{mutex_};
    states_[name];
    return Check{*this, std::move(name)};
}

void Health::Check::ok() {
    const std::scoped_lock lock{health_->mutex_};
    health_->states_[name_] = {true, ""};
}

void Health::Check::bad(std::string_view reason) {
    const std::scoped_lock lock{health_->mutex_};
    health_->states_[name_] = {false, std::string{reason}};
}

void Health::stopping() {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
}

Health::Answer Health::answer() const {
    const std::scoped_lock lock{mutex_};
    bool ready = !stopping_;
    std::string checks;
    for (const auto& [name, state] : states_) {
        ready = ready && state.ok;
        checks += fmt::format("{}{}:{{\"ok\":{},\"reason\":{}}}", checks.empty() ? "" : ",", json_quoted(name), state.ok,
                              json_quoted(state.reason));
    }
    return {ready, fmt::format("{{\"ready\":{},\"stopping\":{},\"checks\":{{{}}}}}\n", ready, stopping_, checks)};
}

}  // namespace mimamori::platform
