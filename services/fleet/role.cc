#include "fleet/role.h"

#include "fleet/presence_reader.h"

namespace mimamori::fleet {
namespace {

struct Settings {
    platform::PostgresConfig postgres;
    platform::KafkaConfig kafka;
    std::chrono::milliseconds silent_after;
};

base::Expected<Settings> read_settings(const platform::Config& config) {
    auto postgres = platform::read_postgres(config);
    auto kafka = platform::read_kafka(config);
    auto section = config.section("fleet");
    // Well above gateway.heartbeat_ms: a third of it without news from anybody counts as an interruption.
    const auto silent_after =
        section.duration_ms("silent_after_ms", std::chrono::minutes{15}, std::chrono::seconds{5}, std::chrono::days{7});
    auto own = section.finish();
    if (!postgres || !kafka || !own) {
        return tl::unexpected{!postgres ? postgres.error() : !kafka ? kafka.error() : own.error()};
    }
    return Settings{std::move(*postgres), std::move(*kafka), silent_after};
}

}  // namespace

base::Expected<void> check(const platform::Config& config) {
    return read_settings(config).map([](const Settings&) {});
}

base::Expected<void> run(platform::Process& process, const platform::Config& config) {
    auto settings = read_settings(config);
    if (!settings) {
        return tl::unexpected{settings.error()};
    }
    SilenceWatch silence{settings->silent_after, process.clock(), process.events()};
    PresenceReader reader{{.host = settings->postgres.host,
                           .port = settings->postgres.port,
                           .database = settings->postgres.database,
                           .user = settings->postgres.user,
                           .password_file = settings->postgres.password_file,
                           .application_name = "mimamori fleet"},
                          settings->kafka,
                          process.events(),
                          process.metrics(),
                          process.health(),
                          silence};
    process.loops("presence", [&](std::stop_token stop) { return reader.run(stop); });
    return process.run();
}

}  // namespace mimamori::fleet
