// mimamori-agent: reads the appliance's logs and brings what they say to the service.
//   --config FILE        run with these settings
//   --check-config       with --config: say what would be done and what would not work, then end
//   --version
// Ends with 0 when asked to stop, 1 when it must be started again, 2 when it cannot work with these settings.
#include <csignal>
#include <cstdio>
#include <string_view>

#include "appliance-agent/agent.h"
#include "appliance-agent/check.h"
#include "appliance-agent/hang_guard.h"

namespace {

using namespace mimamori;

std::atomic<bool> stopping{false};
agent::Wakeup* woken_by_signals = nullptr;

void on_signal(int) {
    stopping = true;
    woken_by_signals->wake();
}

int usage() {
    std::fputs("usage: mimamori-agent --config FILE [--check-config]\n       mimamori-agent --version\n", stderr);
    return 2;
}

base::Time real_now() {
    return std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
}

int check_config(const agent::Config& config) {
    const auto found = agent::check(config, real_now());
    for (const auto& note : found.notes) {
        std::printf("%s\n", note.c_str());
    }
    for (const auto& error : found.errors) {
        std::fprintf(stderr, "error: %s\n", error.c_str());
    }
    return found.errors.empty() ? 0 : 2;
}

int run(agent::Config config) {
    auto clock = agent::Clock::from_environment();
    if (!clock) {
        std::fprintf(stderr, "%s\n", clock.error().what.c_str());
        return 2;
    }
    agent::Log log{[&] { return clock->now(); }};
    agent::uplink::route_grpc_log([&](const std::string& text) { log.write(agent::Level::warning, "grpc", text); });
    agent::Wakeup wakeup;
    woken_by_signals = &wakeup;
    struct sigaction action {};
    action.sa_handler = on_signal;
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    agent::HangGuard guard{config.hang_limit};  // also while the agent is opened and taken apart
    auto agent = agent::Agent::open(std::move(config), *clock, log, wakeup);
    if (!agent) {
        log.write(agent::Level::error, "cannot_start", agent.error().what);
        return 1;
    }
    log.write(agent::Level::info, "started", MIMAMORI_AGENT_VERSION);
    const auto done = (*agent)->run(stopping, guard);
    guard.alive();
    agent->reset();
    agent::uplink::route_grpc_log({});
    if (!done) {
        log.write(agent::Level::error, "cannot_go_on", done.error().what);
        return 1;
    }
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    std::string_view file;
    bool only_check = false;
    for (int i = 1; i < count; ++i) {
        const std::string_view argument{arguments[i]};
        if (argument == "--version") {
            std::puts("mimamori-agent " MIMAMORI_AGENT_VERSION);
            return 0;
        }
        if (argument == "--config" && i + 1 < count) {
            file = arguments[++i];
        } else if (argument == "--check-config") {
            only_check = true;
        } else {
            return usage();
        }
    }
    if (file.empty()) {
        return usage();
    }
    auto config = agent::read_config(std::string{file});
    if (!config) {
        std::fprintf(stderr, "%s\n", config.error().what.c_str());
        return 2;
    }
    return only_check ? check_config(*config) : run(std::move(*config));
}
