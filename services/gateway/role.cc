#include "gateway/role.h"

#include "gateway/gateway.h"

namespace mimamori::gateway {

base::Expected<void> check(const platform::Config& config) {
    return read_settings(config).map([](const Settings&) {});
}

base::Expected<void> run(platform::Process& process, const platform::Config& config) {
    auto settings = read_settings(config);
    if (!settings) {
        return tl::unexpected{settings.error()};
    }
    Gateway gateway{std::move(*settings), process.clock(), process.events(), process.metrics(), process.health()};
    process.loops("gateway", [&](std::stop_token stop) { return gateway.run(stop); });
    return process.run();
}

}  // namespace mimamori::gateway
