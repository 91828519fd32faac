// Which partitions this process holds: takes free ones, hands surplus ones over, starts and stops their workers.
//
//   announce this process (a session lock: it goes when the session goes)
//   at every interval: read the leases; end workers that have lost theirs; hand over or take what next_share_step says
//   at the end: stop all workers, wait for their transactions, give the leases back
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "correlator/worker.h"

namespace mimamori::correlator {

class Partitions {
  public:
    Partitions(const Settings& settings, RulePacks& packs, platform::Process& process);

    base::Expected<void> run(std::stop_token stop);

  private:
    base::Expected<void> session(std::stop_token stop);
    base::Expected<void> announce(store::Connection& connection);
    base::Expected<void> share(store::Connection& connection);
    base::Expected<void> take(store::Connection& connection, std::int32_t partition);
    base::Expected<void> release(store::Connection& connection, std::int32_t partition);
    void hand_everything_over();

    const Settings& settings_;
    RulePacks& packs_;
    platform::Process& process_;
    platform::Health::Check health_;
    std::unique_ptr<ProgressWriter> progress_;
    std::optional<delivery::Generation> generation_;  // of the database as first met
    std::vector<std::unique_ptr<PartitionWorker>> workers_;
};

}  // namespace mimamori::correlator
