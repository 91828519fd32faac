#include "gateway/maintenance.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include <fmt/format.h>

#include "gateway/events.h"
#include "store/admin_schema.h"
#include "store/alarms.h"

namespace mimamori::gateway {
namespace {

namespace kafka = adapters::kafka;
using base::FailureKind;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds broker_patience{3000};
constexpr milliseconds between_attempts{1000};
constexpr milliseconds kafka_interval{5000};
constexpr milliseconds probe_patience{5000};
constexpr int probes_until_dead = 3;
constexpr int looks_until_unread = 3;

void wait_or_stop(std::stop_token stop, milliseconds time) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock{mutex};
    never.wait_for(lock, stop, time, [] { return false; });
}

base::Expected<delivery::Generation> ask_database(const Settings& settings) {
    auto connection = store::Connection::open(settings.login);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    if (auto fits = store::check_schema_version(*connection); !fits) {
        return tl::unexpected{fits.error()};
    }
    const auto positions = store::read_log_positions(*connection);
    if (!positions) {
        return tl::unexpected{positions.error()};
    }
    if (positions->size() != static_cast<std::size_t>(settings.kafka.partitions)) {
        return base::failure(FailureKind::retry,
                             fmt::format("log_partitions has {} rows, kafka.partitions says {}: run `mimamori admin topics "
                                         "create`, or correct the setting",
                                         positions->size(), settings.kafka.partitions));
    }
    return store::read_generation(*connection);
}

base::Expected<Surroundings> ask_broker(const Settings& settings, kafka::Topics& topics) {
    const auto batches = topics.describe(settings.kafka.batches_topic, broker_patience);
    const auto progress = topics.describe(settings.kafka.progress_topic, broker_patience);
    const auto presence = topics.describe(settings.kafka.presence_topic, broker_patience);
    for (const auto* state : {&batches, &progress, &presence}) {
        if (!*state) {  // a topic may still be made
            return base::failure(FailureKind::retry, state->error().what);
        }
    }
    if (auto good = topics.verify(settings.kafka.batches_topic, settings.kafka.partitions, broker_patience); !good) {
        return tl::unexpected{good.error()};
    }
    return Surroundings{{}, presence->partitions, progress->partitions};
}

}  // namespace

Checks::Checks(platform::Health& health)
    : postgres{health.check("postgres")}, kafka{health.check("kafka")}, listener{health.check("listener")} {}

base::Expected<std::optional<Surroundings>> wait_for_surroundings(const Settings& settings, platform::Events& events,
                                                                  Checks& checks, std::stop_token stop) {
    auto topics = kafka::Topics::make(settings.kafka.bootstrap);
    if (!topics) {
        return tl::unexpected{topics.error()};
    }
    while (!stop.stop_requested()) {
        const auto generation = ask_database(settings);
        auto broker = ask_broker(settings, **topics);
        generation ? checks.postgres.ok() : checks.postgres.bad(generation.error().what);
        broker ? checks.kafka.ok() : checks.kafka.bad(broker.error().what);
        if (generation && broker) {
            broker->generation = *generation;
            return std::optional{*broker};
        }
        const auto& why = generation ? broker.error() : generation.error();
        if (why.kind == FailureKind::refused) {
            return tl::unexpected{why};
        }
        events.emit(gateway_waiting, {{"detail", why.what}});
        wait_or_stop(stop, between_attempts);
    }
    return std::nullopt;
}

Maintenance::Maintenance(Parts parts) : parts_{std::move(parts)} {}

base::Expected<void> Maintenance::prepare() {
    return with_database();
}

base::Expected<void> Maintenance::run(std::stop_token stop) {
    auto next_kafka = steady_clock::now();
    auto next_probe = steady_clock::now();
    while (!stop.stop_requested()) {
        if (auto done = with_database(); !done) {
            if (done.error().kind == FailureKind::stopping) {
                return done;
            }
            parts_.checks.postgres.bad(done.error().what);
            parts_.context.events.emit(database_call_failed, {{"call", "maintenance"}, {"detail", done.error().what}});
            connection_.reset();
        }
        if (steady_clock::now() >= next_kafka) {
            with_kafka();
            watch_leases();
            next_kafka = steady_clock::now() + kafka_interval;
        }
        if (steady_clock::now() >= next_probe) {
            if (auto alive = with_listener(); !alive) {
                return alive;
            }
            next_probe = steady_clock::now() + parts_.context.settings.probe_interval;
        }
        parts_.reception.sweep();
        parts_.context.unsettled_bytes_gauge.Set(
            static_cast<double>(parts_.context.unsettled_bytes.load(std::memory_order_relaxed)));
        wait_or_stop(stop, parts_.context.settings.revocation_interval);
    }
    return {};
}

// Fails with `stopping` if the generation is another one: then everything in memory is worthless.
base::Expected<void> Maintenance::with_database() {
    if (!connection_ || connection_->broken()) {
        auto opened = store::Connection::open(parts_.context.settings.login);
        if (!opened) {
            return tl::unexpected{opened.error()};
        }
        connection_.emplace(std::move(*opened));
    }
    const auto generation = store::read_generation(*connection_);
    if (!generation) {
        return tl::unexpected{generation.error()};
    }
    if (*generation != parts_.context.generation) {
        parts_.context.events.emit(generation_changed);
        return base::failure(FailureKind::stopping, "the database was restored from a backup: start the gateway anew");
    }
    if (auto read = read_deny_list(*connection_); !read) {
        return read;
    }
    const auto positions = store::read_log_positions(*connection_);
    if (!positions) {
        return tl::unexpected{positions.error()};
    }
    for (const auto& one : *positions) {
        if (one.partition < parts_.context.settings.kafka.partitions) {
            parts_.reception.shard_of(one.partition).position_read(one.partition, one.position);
        }
    }
    parts_.checks.postgres.ok();
    return {};
}

base::Expected<void> Maintenance::read_deny_list(store::Connection& connection) {
    auto denied = store::denied_certificates(connection);
    if (!denied) {
        return tl::unexpected{denied.error()};
    }
    std::sort(denied->begin(), denied->end());
    std::vector<adapters::grpc::Fingerprint> prints(denied->size());
    for (std::size_t i = 0; i < prints.size(); ++i) {
        std::memcpy(prints[i].data(), (*denied)[i].data(), prints[i].size());  // the table checks the length
    }
    parts_.deny_list.replace(std::move(prints));
    const auto shared = std::make_shared<const std::vector<std::string>>(std::move(*denied));
    for (const auto& shard : parts_.shards) {
        shard->deny(shared);
    }
    return {};
}

void Maintenance::with_kafka() {
    const auto& settings = parts_.context.settings;
    if (!topics_) {
        auto made = kafka::Topics::make(settings.kafka.bootstrap);
        if (!made) {
            parts_.checks.kafka.bad(made.error().what);
            return;
        }
        topics_ = std::move(*made);
    }
    const auto good = topics_->verify(settings.kafka.batches_topic, settings.kafka.partitions, broker_patience);
    good ? parts_.checks.kafka.ok() : parts_.checks.kafka.bad(good.error().what);
    tell(kafka_away, "kafka", !good, good ? std::string{} : good.error().what, kafka_told_);
}

// A correlator that is down tells nobody; its gateways see that its leases have run out.
void Maintenance::watch_leases() {
    if (!connection_ || connection_->broken()) {
        return;
    }
    const auto unread = store::unread_partitions(*connection_);
    if (!unread) {
        return;
    }
    looks_unread_ = unread->empty() ? 0 : looks_unread_ + 1;
    if (unread->empty() || looks_unread_ >= looks_until_unread) {  // gateways may start before correlators
        tell(partitions_unread, "partitions", !unread->empty(), "no correlator holds " + *unread, leases_told_);
    }
}

void Maintenance::tell(const platform::Event& event, std::string_view subject, bool wrong, const std::string& detail,
                       std::optional<bool>& told) {
    if (!connection_ || connection_->broken() || (!wrong && told == false)) {
        return;
    }
    if (wrong && told != true) {
        parts_.context.events.emit(event, {{"detail", detail}});
    }
    const auto done = wrong ? store::raise_alarm(*connection_, event.id, subject, detail)
                            : store::close_alarm(*connection_, event.id, subject);
    if (done) {
        told = wrong;
    }
}

base::Expected<void> Maintenance::with_listener() {
    auto address = platform::parse_host_port(parts_.context.settings.server.listen);
    auto host = address ? address->host : std::string{"127.0.0.1"};
    host = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host;
    const auto alive = adapters::grpc::probe_listener(host, parts_.port(), probe_patience);
    if (alive) {
        probes_failed_ = 0;
        parts_.checks.listener.ok();
        return {};
    }
    parts_.checks.listener.bad(alive.error().what);
    if (parts_.was_crowded()) {  // full, not dead: whoever is connected is served
        probes_failed_ = 0;
        return {};
    }
    if (++probes_failed_ < probes_until_dead) {
        return {};
    }
    parts_.context.events.emit(listener_dead, {{"detail", alive.error().what}});
    return alive;
}

}  // namespace mimamori::gateway
