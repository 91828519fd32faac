// The agent's loop: reads the logs, numbers and spools what they say, and lets the uplink send it. One thread does all
// of it; gRPC's threads and signals only wake it. Parts are made in open(), in the order in which they lean on each
// other.
//
//   loop:  every source reads within its budget
//          entries -> spool, in groups; commit; store the checkpoints taken right after reading; only then is it
//          covered uplink steps status file, if it is time sleep until the next poll, the uplink's next step, a wake,
//          or syslog that arrives
//   stop:  hand out what sources still hold, spool it, give the uplink until the drain limit to have everything settled
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "appliance-agent/clock.h"
#include "appliance-agent/config.h"
#include "appliance-agent/hang_guard.h"
#include "appliance-agent/log.h"
#include "appliance-agent/sources/source.h"
#include "appliance-agent/spool/checkpoints.h"
#include "appliance-agent/spool/spool.h"
#include "appliance-agent/status.h"
#include "appliance-agent/uplink/uplink.h"
#include "appliance-agent/wakeup.h"

namespace mimamori::agent {

class Agent {
  public:
    // The others must outlive the agent.
    static base::Expected<std::unique_ptr<Agent>> open(Config config, const Clock& clock, Log& log, Wakeup& wakeup);

    // Until `stop` is true. A failure means that the disk cannot be relied on: start again from what it holds.
    base::Expected<void> run(const std::atomic<bool>& stop, HangGuard& guard);

    Status status() const;

  private:
    Agent(Config config, const Clock& clock, Log& log, Wakeup& wakeup);
    base::Expected<void> open_spool();
    void open_sources();
    void open_uplink();

    bool read_sources();                // true: there is more to read at once
    base::Expected<void> spool_read();  // everything read so far, if there is room
    base::Expected<void> store_checkpoints();
    bool is_covered(std::string_view position) const;
    void use_lan(const std::vector<std::string>& ranges);
    base::Expected<void> may_send_as(const std::string& common_name);
    std::string firmware_version() const;
    void write_status();
    base::Expected<void> drain(HangGuard& guard);

    Config config_;
    const Clock& clock_;
    Log& log_;
    Wakeup& wakeup_;
    std::unique_ptr<spool::Checkpoints> checkpoints_;
    std::unique_ptr<spool::Spool> spool_;
    std::vector<std::unique_ptr<sources::Source>> sources_;
    std::unique_ptr<uplink::Uplink> uplink_;

    std::map<std::uint32_t, std::optional<sources::Checkpoint>> covered_;  // by source index: stored on disk
    std::vector<sources::Produced> read_;  // not yet in the spool; the next read waits for it
    std::size_t spooled_of_read_ = 0;
    bool waiting_for_room_ = false;
};

}  // namespace mimamori::agent
