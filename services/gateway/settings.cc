#include "gateway/settings.h"

#include <unistd.h>

#include <array>

namespace mimamori::gateway {
namespace {

std::string host_name() {
    std::array<char, 256> name{};
    (void)::gethostname(name.data(), name.size() - 1);
    return name.data();
}

}  // namespace

base::Expected<Settings> read_settings(const platform::Config& config) {
    using std::chrono::milliseconds;
    auto postgres = platform::read_postgres(config);
    auto kafka = platform::read_kafka(config);
    auto process = platform::read_process(config);
    if (!postgres || !kafka || !process) {
        return tl::unexpected{!postgres ? postgres.error() : !kafka ? kafka.error() : process.error()};
    }
    Settings out;
    out.kafka = std::move(*kafka);
    out.drain_limit = process->drain_limit * 3 / 4;  // the rest is for ending the threads
    out.login = {.host = postgres->host,
                 .port = postgres->port,
                 .database = postgres->database,
                 .user = postgres->user,
                 .password_file = postgres->password_file,
                 .application_name = "mimamori gateway"};

    auto section = config.section("gateway");
    out.server.listen = section.text("listen", "127.0.0.1:8443");
    out.server.certificate_file = section.required_text("certificate_file");
    out.server.key_file = section.required_text("key_file");
    out.server.ca_file = section.required_text("ca_file");
    out.name = section.text("name", host_name());
    const auto size = [&](std::string_view key, std::size_t fallback, std::int64_t least, std::int64_t most) {
        return static_cast<std::size_t>(section.count(key, static_cast<std::int64_t>(fallback), least, most));
    };
    out.server.max_streams = size("max_streams", 16'000, 1, 1'000'000);
    out.database_workers = size("database_workers", 4, 1, 100);
    out.session_threads = size("session_threads", 2, 1, 64);
    out.server.io_threads = size("io_threads", 2, 1, 64);
    out.max_unsettled_bytes = size("max_unsettled_bytes", 256UL << 20U, 1L << 20U, 1L << 40U);
    out.session.max_batch_entries = static_cast<std::uint32_t>(size("max_batch_entries", 1000, 1, 100'000));
    out.session.max_batch_bytes = static_cast<std::uint32_t>(size("max_batch_bytes", 1U << 20U, 4096, 4L << 20U));
    out.session.max_unsettled_bytes_per_lane = size("max_unsettled_bytes_per_lane", 8UL << 20U, 65'536, 1L << 32U);
    out.session.max_unsettled_batches_per_lane =
        static_cast<std::uint32_t>(size("max_unsettled_batches_per_lane", 1024, 1, 100'000));
    // The protocol's own parts around the entries are small; a tombstone's digests are bounded by the same number.
    out.server.max_frame_bytes = out.session.max_batch_bytes + 131'072;
    out.server.keepalive_time = section.duration_ms("keepalive_time_ms", out.server.keepalive_time, milliseconds{1000}, milliseconds{3'600'000});
    out.server.keepalive_timeout = section.duration_ms("keepalive_timeout_ms", out.server.keepalive_timeout, milliseconds{1000}, milliseconds{600'000});
    out.heartbeat = section.duration_ms("heartbeat_ms", out.heartbeat, milliseconds{1000}, milliseconds{3'600'000});
    out.tell_interval =
        section.duration_ms("tell_interval_ms", out.tell_interval, milliseconds{0}, milliseconds{10'000});
    out.linger = section.duration_ms("linger_ms", out.linger, milliseconds{0}, milliseconds{1'000});
    out.hello_limit = section.duration_ms("hello_limit_ms", out.hello_limit, milliseconds{100}, milliseconds{600'000});
    out.revocation_interval = section.duration_ms("revocation_interval_ms", out.revocation_interval, milliseconds{100}, milliseconds{600'000});
    out.delivery_timeout = section.duration_ms("delivery_timeout_ms", out.delivery_timeout, milliseconds{1000}, milliseconds{600'000});
    out.probe_interval =
        section.duration_ms("probe_interval_ms", out.probe_interval, milliseconds{100}, milliseconds{600'000});
    if (auto done = section.finish(); !done) {
        return tl::unexpected{done.error()};
    }
    if (auto address = platform::parse_host_port(out.server.listen); !address) {
        return base::failure(base::FailureKind::refused, "gateway.listen: " + address.error().what);
    }
    return out;
}

}  // namespace mimamori::gateway
