// One appliance's agent as far as the service can tell: its certificate, its connection, its three lanes. The frames
// are the agent's own, what is sent and freed is decided by its AgentLink. Used by one thread. Not a spool on disk.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "bench/load/connection.h"
#include "bench/load/options.h"
#include "bench/load/spool.h"

namespace mimamori::bench {

struct Tally {  // what one thread's appliances did
    std::uint64_t entries = 0, batches = 0, settled = 0, rewinds = 0, connections = 0, ended = 0;
    Latencies latencies;
    std::string last_end;  // why a connection ended
    std::string failed;    // what must never happen
};

// When entries become due: the phases, walked by one appliance. Entry k of a phase is due at its start + (k + offset) *
// interval.
class Schedule {
  public:
    Schedule(const std::vector<Phase>& phases, std::size_t appliance, std::size_t appliances);
    void begin(std::int64_t now_us);
    bool is_closed(std::int64_t now_us) const;            // in a phase that only the window holds back
    std::int64_t next_closed(std::int64_t now_us) const;  // when the next such phase begins; INT64_MAX: none
    std::int64_t next_due() const { return next_due_; }   // INT64_MAX: nothing more
    void took();
    std::uint64_t owed(std::int64_t now_us) const;  // due by now and not taken

  private:
    struct Part {
        std::int64_t from, until;
        double interval;  // of this appliance; 0: nothing becomes due. Negative: closed
    };
    void find_next();
    std::vector<Part> parts_;
    double offset_;  // of this appliance within an interval
    std::size_t part_ = 0;
    std::uint64_t taken_ = 0;  // of this part
    std::int64_t next_due_ = INT64_MAX;
};

class Appliance {
  public:
    using Connect = std::function<std::unique_ptr<Connection>()>;
    Appliance(const Options& options, const Traffic& traffic, std::string utm_id, std::size_t number, Tally& tally,
              Connect connect);

    void open(std::int64_t now_us);
    void read();  // what came over the connection; step() takes it
    // Takes what came, makes what is due, sends what may be sent. Returns when to be called again at the latest.
    std::int64_t step(std::int64_t now_us);
    void see(delivery::Lane lane, delivery::Seq before, std::int64_t now_us);
    void close() { connection_.reset(); }

    void begin(std::int64_t now_us) {
        schedule_.begin(now_us);
        began_ = true;
    }
    void finish() { finished_ = true; }  // nothing more becomes due
    bool connected() const { return connected_; }
    bool opening() const { return connection_ && !connected_; }
    std::uint64_t owed(std::int64_t now_us) const { return finished_ ? 0 : schedule_.owed(now_us); }
    std::size_t under_way() const;
    const Spool& spool(delivery::Lane lane) const { return spools_[delivery::index_of(lane)]; }
    const std::string& utm_id() const { return utm_id_; }
    const std::vector<std::uint64_t>& made() const { return made_; }  // entries by line, of blocks

  private:
    void lose(const Ended& ended, std::int64_t now_us);
    void receive(const pb::GatewayFrame& frame, std::int64_t now_us);
    void on_word(const pb::Settled& settled, bool is_hello_ack, std::int64_t now_us);
    void make_due(std::int64_t now_us);
    void send_all(std::int64_t now_us);
    bool send(std::int64_t now_us);
    bool send_lane(delivery::Lane lane, std::int64_t now_us);
    void make(std::int64_t due_us);

    const Options& options_;
    const Traffic& traffic_;
    const std::string utm_id_;
    Tally& tally_;
    const Connect connect_;
    std::array<Spool, delivery::lane_count> spools_;
    delivery::AgentLink link_;
    std::unique_ptr<Connection> connection_;
    Schedule schedule_;
    std::uint32_t next_line_;
    std::vector<std::uint64_t> made_;
    delivery::AgentLimits limits_;
    std::int64_t heartbeat_us_ = 0, next_heartbeat_us_ = INT64_MAX, retry_at_us_ = INT64_MAX, answer_by_us_ = INT64_MAX,
                 send_again_us_ = INT64_MAX;
    bool said_hello_ = false, connected_ = false, began_ = false, finished_ = false;
};

std::int64_t steady_us();
std::int64_t real_us();

}  // namespace mimamori::bench
