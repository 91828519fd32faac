#include "correlator/role.h"

#include "correlator/events.h"
#include "correlator/partitions.h"
#include "correlator/rule_packs.h"
#include "correlator/settings.h"

namespace mimamori::correlator {
namespace {

constexpr std::chrono::milliseconds reconnect_pause{1'000};

base::Expected<void> read_packs(std::stop_token stop, store::Connection& connection, const Settings& settings, RulePacks& packs,
                                platform::Process& process, platform::Health::Check& health) {
    while (!stop.stop_requested()) {
        if (auto done = packs.refresh(connection, process.clock().now()); !done) {
            return done;
        }
        health.ok();
        packs.wait_for_wish(stop, settings.pack_interval);
    }
    return {};
}

}  // namespace

base::Expected<void> check(const platform::Config& config) {
    return read_settings(config).map([](const Settings&) {});
}

base::Expected<void> run(platform::Process& process, const platform::Config& config) {
    const auto settings = read_settings(config);
    if (!settings) {
        return tl::unexpected{settings.error()};
    }
    RulePacks packs{process.events()};
    auto health = process.health().check("rule packs");
    process.loops("rule packs", [&](std::stop_token stop) -> base::Expected<void> {
        while (!stop.stop_requested()) {
            auto connection = store::Connection::open(settings->login);
            auto done = connection ? read_packs(stop, *connection, *settings, packs, process, health)
                                   : base::Expected<void>{tl::unexpected{connection.error()}};
            if (!done) {
                health.bad(done.error().what);
                process.events().emit(rule_packs_unreadable, {{"detail", done.error().what}});
                pause(stop, reconnect_pause);
            }
        }
        return {};
    });
    Partitions partitions{*settings, packs, process};
    process.loops("partitions", [&](std::stop_token stop) { return partitions.run(stop); });
    return process.run();
}

}  // namespace mimamori::correlator
