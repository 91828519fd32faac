// One thread that works for a share of the appliances: waits for their connections, steps those that have news and
// those whose time has come, and opens connections a bounded number at a time. Not a clock of the load: each
// appliance's schedule is.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bench/load/appliance.h"

namespace mimamori::bench {

struct Seen {               // a stream's rows are visible up to here
    std::size_t appliance;  // of this driver
    delivery::Lane lane;
    delivery::Seq before;
    std::int64_t at_us;
};

struct Standing {  // as of the last look, at most 100 ms ago
    std::uint64_t connected = 0, entries = 0, settled = 0, owed = 0, under_way = 0;
};

class Driver {
  public:
    Driver(const Options& options, const Traffic& traffic, const Target& target);
    ~Driver();
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    void add(std::string utm_id, agent::uplink::Identity identity, std::size_t number);  // before start
    void start();
    void stop();  // afterwards appliances() and tally() may be read

    // Any thread.
    void begin(std::int64_t at_us) {
        begin_at_ = at_us;
        poller_.wake();
    }
    void finish() {
        finish_ = true;
        poller_.wake();
    }
    void seen(const std::vector<Seen>& seen);
    Standing standing() const;
    std::string failed() const;
    std::string last_end() const;  // why a connection ended, as of the last look

    const std::vector<std::unique_ptr<Appliance>>& appliances() const { return appliances_; }
    const Tally& tally() const { return tally_; }

  private:
    void run();
    void step(std::size_t appliance, std::int64_t now_us);
    void open_some(std::int64_t now_us);
    void look(std::int64_t now_us);

    const Options& options_;
    const Traffic& traffic_;
    const Target& target_;
    Tally tally_;
    Poller poller_;
    std::vector<std::unique_ptr<Appliance>> appliances_;
    std::vector<std::int64_t> at_;  // when each is to be stepped at the latest
    std::int64_t earliest_ = 0;     // of at_
    std::size_t opened_ = 0;        // the first so many have been opened once
    std::atomic<std::int64_t> begin_at_{0};
    std::atomic<bool> finish_{false}, stop_{false};
    mutable std::mutex mutex_;
    std::vector<Seen> seen_;
    Standing standing_;
    std::string failed_, last_end_;
    std::thread thread_;
};

}  // namespace mimamori::bench
