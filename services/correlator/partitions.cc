#include "correlator/partitions.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/random.h"
#include "correlator/events.h"
#include "domain/partition_share.h"
#include "store/admin_schema.h"

namespace mimamori::correlator {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds reconnect_pause{1'000};
constexpr milliseconds last_progress{2'000};

}  // namespace

Partitions::Partitions(const Settings& settings, RulePacks& packs, platform::Process& process)
    : settings_{settings}, packs_{packs}, process_{process}, health_{process.health().check("leases")} {}

base::Expected<void> Partitions::run(std::stop_token stop) {
    auto progress = ProgressWriter::make(settings_.kafka.bootstrap, settings_.kafka.progress_topic, process_.events());
    if (!progress) {
        return tl::unexpected{progress.error()};
    }
    progress_ = std::move(*progress);
    while (!stop.stop_requested()) {
        if (auto ended = session(stop); !ended) {
            health_.bad(ended.error().what);
            process_.events().emit(leases_unreadable, {{"failure", platform::kind_name(ended.error().kind)}, {"detail", ended.error().what}});
            pause(stop, reconnect_pause);
        }
    }
    hand_everything_over();
    progress_->flush(last_progress);
    return {};
}

base::Expected<void> Partitions::session(std::stop_token stop) {
    auto login = settings_.login;
    // One that hangs for as long as a lease no longer counts as alive, or the others would keep its share free for it.
    login.idle_session_timeout_ms = static_cast<int>(std::max(settings_.lease, 3 * settings_.share_interval).count());
    auto connection = store::Connection::open(login);
    if (!connection) {
        return tl::unexpected{connection.error()};
    }
    if (auto fits = store::check_schema_version(*connection); !fits) {
        return fits;
    }
    if (auto announced = announce(*connection); !announced) {
        return announced;
    }
    while (!stop.stop_requested()) {
        if (auto shared = share(*connection); !shared) {
            return shared;
        }
        pause(stop, settings_.share_interval);
    }
    return {};
}

base::Expected<void> Partitions::announce(store::Connection& connection) {
    for (;;) {
        auto announced = store::announce_correlator(connection, static_cast<std::int32_t>(base::random_u64() & 0x7FFFFFFFU));
        if (!announced) {
            return tl::unexpected{announced.error()};
        }
        if (*announced) {
            return {};
        }
    }
}

base::Expected<void> Partitions::share(store::Connection& connection) {
    auto table = store::read_leases(connection);
    if (!table) {
        return tl::unexpected{table.error()};
    }
    if (!generation_) {
        generation_ = table->generation;
    }
    if (*generation_ != table->generation) {
        process_.events().emit(correlator_generation_changed);
        process_.request_stop(base::Failure{base::FailureKind::conflict, "the database was restored from a backup: restart"});
        return {};
    }
    if (table->partitions.empty()) {
        health_.bad("no partitions: make them with `mimamori admin topics create`");
        return {};
    }
    std::erase_if(workers_, [](const auto& worker) { return worker->ended(); });
    const auto step = domain::next_share_step(table->partitions, settings_.holder, table->live_correlators);
    for (const auto partition : step.release) {
        if (auto released = release(connection, partition); !released) {
            return released;
        }
    }
    for (const auto partition : step.take) {
        if (auto taken = take(connection, partition); !taken) {
            return taken;
        }
    }
    health_.ok();
    return {};
}

base::Expected<void> Partitions::take(store::Connection& connection, std::int32_t partition) {
    const store::Lease lease{partition, base::random_bytes16(), settings_.lease};
    // A worker whose lease has run out unnoticed must be gone before another one begins.
    std::erase_if(workers_, [&](const auto& worker) { return worker->lease().partition == partition; });
    auto taken = store::take_lease(connection, lease, settings_.holder);
    if (!taken) {
        return tl::unexpected{taken.error()};
    }
    if (*taken) {
        process_.events().emit(partition_taken, {{"partition", partition}});
        workers_.push_back(std::make_unique<PartitionWorker>(
            PartitionWorker::Parts{settings_, *generation_, packs_, *progress_, process_}, lease));
        return {};
    }
    // PostgreSQL ends a transaction that is idle for so long, but not in the middle of a COPY.
    return store::end_hanging(connection, partition, milliseconds{settings_.login.idle_in_transaction_session_timeout_ms})
        .map([&](bool ended) {
            if (ended) {
                process_.events().emit(hanging_worker_ended, {{"partition", partition}});
            }
        });
}

base::Expected<void> Partitions::release(store::Connection& connection, std::int32_t partition) {
    const auto found = std::find_if(workers_.begin(), workers_.end(),
                                    [&](const auto& worker) { return worker->lease().partition == partition; });
    if (found == workers_.end()) {
        return {};  // its worker has ended; the lease runs out by itself
    }
    const auto lease = (*found)->lease();
    workers_.erase(found);  // waits for the transaction at hand
    process_.events().emit(partition_handed_over, {{"partition", partition}});
    return store::release_lease(connection, lease);
}

void Partitions::hand_everything_over() {
    for (const auto& worker : workers_) {
        worker->request_stop();
    }
    std::vector<store::Lease> leases;
    for (const auto& worker : workers_) {
        leases.push_back(worker->lease());
    }
    workers_.clear();
    auto connection = store::Connection::open(settings_.login);
    for (const auto& lease : leases) {
        // Without PostgreSQL the leases run out by themselves.
        if (connection && store::release_lease(*connection, lease)) {
            process_.events().emit(partition_handed_over, {{"partition", lease.partition}});
        }
    }
}

}  // namespace mimamori::correlator
