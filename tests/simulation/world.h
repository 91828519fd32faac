// A whole service in one process and one thread: agents, gateways, a log, correlators and a database, all of paper but
// for the delivery protocol, which is the production's own (domain/delivery). Steps are taken in an order drawn from a
// seed, faults among them, and after every step the promise of the protocol is checked. Not a model of speed or of the
// network's details, and no test of SQL or Kafka.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "domain/delivery/agent_link.h"
#include "domain/delivery/applier.h"
#include "domain/delivery/gateway_session.h"
#include "domain/delivery/log_check.h"
#include "domain/delivery/partition_view.h"
#include "simulation/spool.h"

namespace mimamori::simulation {

// What may go wrong, by the names of the fault table in faults.cc.
enum class Fault : std::uint8_t {
    agent_killed,
    gateway_killed,
    correlator_killed,
    connection_broken,
    delivery_failed,
    lease_lost,
    log_wiped,
    log_tail_lost,
    retention_passed,
    progress_lost,
    progress_doubled,
    spool_from_image,
    spool_lost,
    spool_full,
    segment_damaged,
    database_restored,
    commit_unknown,
};
inline constexpr std::size_t fault_count = 17;
extern const std::array<const char*, fault_count> fault_names;

// A protocol with one clause left out or turned round. The simulator is worth something only if it finds each.
enum class Mutant : std::uint8_t {
    none,
    settled_too_early,
    freed_on_received,
    cursors_cached_without_fence,
    no_hash_in_settled,
    fork_moves_before_close,
    overlapping_batch_skipped,
    no_tick,
    log_no_never_raised,
    rewind_by_timeout,
    cursor_outside_transaction,
    sent_before_fsync,
    last_place_marked,
};
inline constexpr std::size_t mutant_count = 13;
extern const std::array<const char*, mutant_count> mutant_names;

struct Random {
    std::uint64_t state;
    std::uint64_t next();
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }  // bound > 0
    bool one_in(std::uint64_t n) { return below(n) == 0; }
};

struct StreamKey {  // identity at the gateway and in the database
    std::size_t agent = 0;
    Lane lane = Lane::normal;
    SpoolId spool_id{};
    friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
};

// One record of the log. `entries` stand for what the range held, also where the protocol carries no digests: the
// checks need to know what was lost.
struct Record {
    RecordId id{};
    enum class Kind { tick, entries, tombstone, damaged, gone } kind = Kind::tick;
    StreamKey stream;
    Seq first = 1, last = 0;
    Hash128 h_before{}, h_after{};
    std::vector<Entry> entries;
    std::vector<Hash128> digests;
};
using RecordPtr = std::shared_ptr<const Record>;

struct Slot {  // what the database holds at a place of a stream
    bool filled = false;
    Outcome outcome = Outcome::detection;
    std::uint32_t content = 0;
    Hash128 digest{};
};

struct Stream {
    Cursor cursor;
    Counters counters;
    std::vector<Slot> slots;  // [seq - 1]
    bool unverified = false;  // a damaged range was accepted whose past nobody could compare
};

struct Lease {
    std::uint64_t epoch = 0;
    StoredPosition stored;
};

struct Database {
    Generation generation{};
    std::map<StreamKey, Stream> streams;
    std::set<std::tuple<StreamKey, Seq, Hash128>> moved;  // first places and digests of moved entries that were stored
    std::vector<Lease> partitions;
    std::vector<std::uint8_t> stored;       // by content: how often as a row
    std::vector<std::uint8_t> stated_lost;  // by content: tombstoned or gone
    Stream& open(const StreamKey& key);
};

struct Log {
    std::int64_t begin = 0;
    std::deque<RecordPtr> records;
    std::int64_t end() const { return begin + static_cast<std::int64_t>(records.size()); }
    const Record* at(std::int64_t offset) const {
        return offset >= begin && offset < end() ? records[static_cast<std::size_t>(offset - begin)].get() : nullptr;
    }
};

struct ProgressMessage {
    Generation generation{};
    std::size_t partition = 0;
    LogPosition committed;
    std::vector<std::pair<StreamKey, Cursor>> streams;
};

// Frames of the uplink, as the wire has them.
struct UpFrame {
    enum class What { hello, range, fork } what = What::hello;
    std::vector<HelloLane> hello;
    Envelope envelope;
    std::shared_ptr<Record> range;
    std::uint64_t order = 0;  // of producing, given by the gateway
};
struct DownFrame {
    enum class What { hello_ack, received, settled, rewind } what = What::settled;
    std::vector<LaneCursor> cursors;  // hello_ack: all, settled: one
    Lane lane = Lane::normal;
    SpoolId spool_id{};
    std::uint32_t run = 0;
    Seq seq = 0;  // received: last; rewind: from
};

struct Connection {
    std::uint64_t id = 0;
    std::size_t agent = 0, gateway = 0;
    bool agent_there = true;
    GatewaySession session;
    std::deque<UpFrame> up;
    std::deque<DownFrame> down;
};

struct Agent {
    std::array<SimulatedSpool, lane_count> spools;
    AgentLink link;
    std::uint64_t connection = 0;  // 0: none
    std::size_t partition = 0;
    std::uint32_t lanes = 1;  // of which entries come
    std::optional<std::array<SimulatedSpool, lane_count>> image;
    bool forkable = false;  // a spool was restored from an image: forks are right
    bool adopts = false;
    std::array<std::uint32_t, lane_count> rewinds{};  // since the last fault
    Agent();
};

struct Produced {
    RecordPtr record;
    std::uint64_t connection = 0;  // 0: a tick
    RecordTag tag = 0;
    std::uint64_t order = 0;
    std::int64_t offset = -1;
    bool failed = false;
};

struct DatabaseCall {  // of a gateway: takes effect in the database, and answers, each in a step of its own
    std::uint64_t connection = 0;
    bool is_close = false;
    Lane lane = Lane::normal;
    SpoolId spool_id{};
    bool done = false;
    GatewaySession::LaneCursors cursors{};
    LogPosition position;
};

struct Gateway {
    struct Partition {
        PartitionView view;
        std::deque<Produced> queue;    // to the log
        std::deque<Produced> reports;  // from the log
    };
    std::vector<Partition> partitions;
    std::deque<ProgressMessage> progress;
    std::deque<DatabaseCall> calls;
};

struct Worker {  // a correlator's hold on one partition
    enum class Phase { idle, reading, polled, rows_pending, publishing } phase = Phase::idle;
    std::uint64_t epoch = 0;
    LogPosition position;
    std::vector<RecordPtr> polled;
    std::optional<ProgressMessage> progress;
    std::map<StreamKey, Cursor> cache;                // a mutant's
    std::vector<std::pair<StreamKey, Slot>> pending;  // a mutant's
    std::vector<Seq> pending_seq;
    bool published_early = false;
};

struct Plan {  // of one walk
    std::uint64_t seed = 1;
    Mutant mutant = Mutant::none;
    std::uint32_t allowed_faults = (1U << fault_count) - 1;
    bool trace = false;
};

struct Violation {
    std::string what;
};

class World {
  public:
    explicit World(const Plan& plan);
    // The whole walk: faults first, then calm until everything is settled. Returns what was violated, if anything.
    std::optional<Violation> walk();

    std::uint64_t steps() const { return steps_; }
    std::uint64_t faults() const { return faults_; }
    std::uint64_t rewinds() const { return rewinds_; }
    std::uint32_t most_rewinds() const { return most_rewinds_; }
    const std::array<std::uint64_t, 8>& kinds_applied() const { return kinds_applied_; }

  private:
    // One try at a random step; false if it was not possible.
    bool step(bool calm);
    bool agent_step(std::size_t index, bool calm);
    bool gateway_step(std::size_t index);
    bool correlator_step(std::size_t index);
    bool fault(Fault which);

    // agent.cc
    bool append(std::size_t index);
    bool connect(std::size_t index);
    bool send(std::size_t index);
    bool handle_down(std::size_t index);
    void obey(std::size_t index, const LaneAction& action);
    void lose_connection(std::size_t index);
    void adopt(std::size_t index, const LaneCursor& word);
    Hash128 word_of(std::size_t index, const LaneCursor& word) const;

    // gateway.cc
    bool handle_up(Connection& connection);
    bool land(Gateway& gateway, std::size_t partition);
    bool report(Gateway& gateway, std::size_t partition);
    bool tick(Gateway& gateway, std::size_t partition);
    bool handle_progress(Gateway& gateway, bool keep);
    bool run_call(Gateway& gateway);
    bool answer_call(Gateway& gateway);
    void carry_out(Connection& connection, const Actions& actions, const UpFrame* frame);
    void tell_partition(std::size_t gateway, std::size_t partition);
    void restart_gateway(std::size_t index);
    void end_session(std::uint64_t id);
    Connection* find(std::uint64_t id);
    DownFrame settled(const Connection& connection, Lane lane, const Cursor& cursor);

    // correlator.cc
    bool take_lease(std::size_t index, std::size_t partition, bool by_force);
    void load(Worker& worker, std::size_t partition);
    void restart_log(Worker& worker, std::size_t partition, const LogPosition& start);
    bool poll(Worker& worker, std::size_t partition);
    bool commit(Worker& worker, std::size_t partition, CommitEnd end);
    void apply(Worker& worker, const Record& record, Database& database, ProgressMessage& progress);
    bool write_pending(Worker& worker);
    bool publish(Worker& worker);
    void store_entry(Database& database, const StreamKey& key, Stream& stream, Seq seq, const Entry& entry,
                     Record::Kind kind, Worker& worker);

    // check.cc
    void check_streams();
    void check_freed(std::size_t agent, Lane lane, Seq before);
    bool all_settled() const;
    void check_end();
    void violate(const std::string& what);
    void note(const char* format, ...) __attribute__((format(printf, 2, 3)));

    Hash128 random16();

    Plan plan_;
    Random random_;
    std::vector<Agent> agents_;
    std::vector<Gateway> gateways_;
    std::vector<std::vector<Worker>> correlators_;  // [correlator][partition]
    std::vector<Log> logs_;
    Database database_;
    std::optional<Database> backup_;
    bool restored_ = false;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::uint64_t connection_ids_ = 0;
    std::int64_t now_ms_ = 0;
    std::array<std::uint64_t, 3> pace_{};     // of agents, gateways and correlators: how often each gets its turn
    std::vector<std::uint8_t> accepted_;      // by content: durable in a spool
    std::vector<std::uint8_t> not_promised_;  // by content: lost with a spool, or taken back by an image
    std::uint32_t contents_ = 0;
    std::uint32_t most_contents_ = 0;
    std::uint64_t steps_ = 0, faults_ = 0, rewinds_ = 0;
    std::uint32_t most_rewinds_ = 0;
    std::array<std::uint64_t, 8> kinds_applied_{};
    std::optional<Violation> violation_;
};

}  // namespace mimamori::simulation
