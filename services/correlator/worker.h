// One partition of the log, read and applied by one thread with its own PostgreSQL session and its own consumer.
//
//   for ever, until stopped or fenced:
//     open a session; read the position under our lease; open a consumer
//     is the record before the offset the stored one? if not: log_no + 1 and the log's beginning, committed and told
//     assign
//     for ever: poll; cut into transactions by records, entries and unpacked bytes; after few entries wait for more;
//     for each:
//         apply: committed > tell the gateways
//                no rule pack yet > not ready, keep the lease, try the same again
//                fenced > end; another generation > the process restarts; anything else > out, to read again what is committed
//         a broker error or an offset that is not held > out, to check the log again
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "adapters/kafka/consumer.h"
#include "correlator/poll_applier.h"
#include "correlator/progress.h"
#include "correlator/settings.h"
#include "platform/process.h"

namespace mimamori::correlator {

class PartitionWorker {
  public:
    struct Parts {  // shared by all workers; outlive them
        const Settings& settings;
        delivery::Generation generation;
        RulePacks& packs;
        ProgressWriter& progress;
        platform::Process& process;
    };
    PartitionWorker(const Parts& parts, const store::Lease& lease);
    ~PartitionWorker();  // stops and waits
    PartitionWorker(const PartitionWorker&) = delete;
    PartitionWorker& operator=(const PartitionWorker&) = delete;

    const store::Lease& lease() const { return lease_; }
    void request_stop() { thread_.request_stop(); }
    bool ended() const { return ended_; }  // of itself: somebody else has the partition, or the process stops

  private:
    enum class Session { again, check_again, over };
    void run(std::stop_token stop);
    base::Expected<Session> session(std::stop_token stop);
    base::Expected<std::unique_ptr<adapters::kafka::Consumer>> make_consumer() const;
    // A consumer that goes on where the database stands, after looking whether the log is still the one that was read.
    base::Expected<std::unique_ptr<adapters::kafka::Consumer>> find_place(store::Connection& connection, PollApplier& applier);
    base::Expected<Session> read_log(std::stop_token stop, store::Connection& connection, PollApplier& applier,
                                     adapters::kafka::Consumer& consumer);
    // Applies all, in parts. Empty: go on polling.
    base::Expected<std::optional<Session>> apply(std::stop_token stop, store::Connection& connection, PollApplier& applier,
                                                 const std::vector<adapters::kafka::Record>& records);
    base::Expected<std::optional<Session>> apply_part(std::stop_token stop, store::Connection& connection, PollApplier& applier,
                                                      std::span<const LogRecord> part);
    base::Expected<void> wait_for_pack(std::stop_token stop, store::Connection& connection, const Applied& applied);
    void gather(std::stop_token stop, std::chrono::milliseconds took);
    base::Expected<void> keep_lease(store::Connection& connection);
    void count(const Applied& applied, std::chrono::steady_clock::duration took, base::Time received);

    const Parts parts_;
    const store::Lease lease_;
    platform::Health::Check health_;
    delivery::StoredPosition position_;
    std::chrono::steady_clock::time_point renewed_at_{};
    std::chrono::milliseconds usually_took_{0};  // a small transaction
    bool pack_alarm_ = false;  // waits for a rule pack, and has said so
    bool stuck_ = false;
    std::atomic<bool> ended_{false};
    std::jthread thread_;
};

// Waits, but not longer than until stopped.
void pause(std::stop_token stop, std::chrono::milliseconds time);

}  // namespace mimamori::correlator
