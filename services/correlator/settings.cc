#include "correlator/settings.h"

#include <unistd.h>

#include <array>

#include <fmt/format.h>

#include "base/random.h"

namespace mimamori::correlator {

using std::chrono::milliseconds;

namespace {

// Another one for each start, so that a process never takes itself for the one before.
std::string holder_name() {
    std::array<char, 256> host{};
    (void)::gethostname(host.data(), host.size() - 1);
    return fmt::format("{}/{}/{:08x}", host.data(), ::getpid(), base::random_u64() & 0xFFFFFFFFU);
}

}  // namespace

base::Expected<Settings> read_settings(const platform::Config& config) {
    auto postgres = platform::read_postgres(config);
    auto kafka = platform::read_kafka(config);
    if (!postgres || !kafka) {
        return tl::unexpected{!postgres ? postgres.error() : kafka.error()};
    }
    Settings out;
    out.login = {.host = postgres->host,
                 .port = postgres->port,
                 .database = postgres->database,
                 .user = postgres->user,
                 .password_file = postgres->password_file,
                 .application_name = "mimamori correlator"};
    out.kafka = std::move(*kafka);
    out.holder = holder_name();

    auto section = config.section("correlator");
    const auto size = [&](std::string_view key, std::size_t fallback, std::int64_t least, std::int64_t most) {
        return static_cast<std::size_t>(section.count(key, static_cast<std::int64_t>(fallback), least, most));
    };
    out.lease = section.duration_ms("lease_ms", out.lease, milliseconds{2'000}, milliseconds{600'000});
    out.share_interval = section.duration_ms("share_interval_ms", out.share_interval, milliseconds{50}, milliseconds{60'000});
    out.pack_interval = section.duration_ms("pack_interval_ms", out.pack_interval, milliseconds{50}, milliseconds{60'000});
    out.poll_records = size("poll_records", out.poll_records, 1, 100'000);
    out.poll_bytes = size("poll_bytes", out.poll_bytes, 1L << 16U, 1L << 28U);
    out.poll_entries = size("poll_entries", out.poll_entries, 1, 1'000'000);
    out.poll_wait = section.duration_ms("poll_wait_ms", out.poll_wait, milliseconds{1}, milliseconds{2'000});
    out.gather = section.duration_ms("gather_ms", out.gather, milliseconds{0}, milliseconds{1'000});
    out.fetch_bytes = size("fetch_bytes", out.fetch_bytes, 1L << 20U, 1L << 30U);
    out.limits.block_keys_per_hour = size("block_keys_per_hour", out.limits.block_keys_per_hour, 1, 100'000);
    out.limits.unknown_signatures = section.count("unknown_signatures", out.limits.unknown_signatures, 0, 1'000'000);
    out.limits.remember_rentals = section.duration_ms("remember_rentals_ms", out.limits.remember_rentals, milliseconds{0}, milliseconds{600'000});
    if (auto done = section.finish(); !done) {
        return tl::unexpected{done.error()};
    }
    return out;
}

}  // namespace mimamori::correlator
