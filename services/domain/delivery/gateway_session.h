// The gateway's decisions for one connection: which batches to forward, what to tell the agent, when to ask PostgreSQL,
// when to ask for a rewind. Pure: inputs return actions, the role carries them out. One object per connection, used by
// one thread at a time; its work is proportional to its own unsettled batches.
//
//   Hello           -> read (or insert) the streams and their cursors
//   cursors read    -> HelloAck; later: settled for what moved
//   batch           -> envelope checks, then one Kafka record; refused connections say why
//   delivery report -> received; a failed one is as good as passed
//   progress        -> settled; a batch that the log has passed without settling it: read the cursor, then rewind from
//   it,
//                      once per committed (log_no, offset), never by a timeout
//   rewind asked    -> batches of the old run are dropped until the agent answers with the new run number
//   ForkRequest     -> close the stream in PostgreSQL, then settled with status closed
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/delivery/partition_view.h"
#include "domain/delivery/types.h"

namespace mimamori::domain::delivery {

struct HelloLane {
    Lane lane = Lane::normal;
    SpoolId spool_id{};
    Seq first = 1, last = 0;
};

struct SessionLimits {
    std::uint32_t max_batch_entries = 1000;
    std::uint32_t max_batch_bytes = 1U << 20U;
    std::uint64_t max_unsettled_bytes_per_lane = 8U << 20U;
    std::uint32_t max_unsettled_batches_per_lane = unsettled_batches_per_lane;
};

// The envelope of a batch or gone message; its content is opaque here.
struct Envelope {
    enum class Kind { entries, tombstone, gone };
    Kind kind = Kind::entries;
    Lane lane = Lane::normal;
    SpoolId spool_id{};
    std::uint32_t run = 0;
    Seq first = 1, last = 0;
    std::uint32_t count = 0;       // declared entries, for Kind::entries
    std::uint64_t raw_bytes = 0;   // declared size unpacked
    std::uint64_t wire_bytes = 0;  // as received
};

// Identifies a forwarded record within its session, for the delivery report.
using RecordTag = std::uint64_t;

namespace action {
struct ReadCursors {};   // of all lanes of this session, from the primary, with the partition's log position
struct SendHelloAck {};  // with cursor(lane) of every lane
struct Produce {
    RecordTag tag;  // the message at hand becomes one record
};
struct Drop {};  // the message at hand belongs to an old run or is settled already: forget it
struct SendReceived {
    Lane lane;
    std::uint32_t run;
    Seq last;
};
struct SendSettled {
    Lane lane;
    SpoolId spool_id;
    Cursor cursor;
};
struct SendRewind {
    Lane lane;
    SpoolId spool_id;
    Seq from;
    std::uint32_t run;
};
struct CloseStream {
    Lane lane;
    SpoolId spool_id;
};
struct Refuse {  // end the connection and raise an alarm; the agent backs off
    std::string_view reason;
};
}  // namespace action
using Action =
    std::variant<action::ReadCursors, action::SendHelloAck, action::Produce, action::Drop, action::SendReceived,
                 action::SendSettled, action::SendRewind, action::CloseStream, action::Refuse>;
using Actions = std::vector<Action>;

class GatewaySession {
  public:
    explicit GatewaySession(SessionLimits limits = {}) : limits_{limits} {}

    Actions on_hello(const std::vector<HelloLane>& lanes);

    // Cursors from the primary, read after Hello or on ReadCursors. `cursors[i]` is of lane i, empty for lanes the
    // Hello did not name. `partition` holds the log position read in the same transaction or a newer one.
    using LaneCursors = std::array<std::optional<Cursor>, lane_count>;
    Actions on_cursors_read(const LaneCursors& cursors, const PartitionSnapshot& partition);
    // The read could not be done (PostgreSQL away): it is asked for again at the next progress or tick. After Hello
    // there is nothing to go on with: end the connection.
    void on_cursors_unavailable() { reading_ = false; }

    // `order` comes from PartitionView::next_order() and counts only if the answer is Produce.
    Actions on_batch(const Envelope& envelope, std::uint64_t order, const PartitionSnapshot& partition);
    Actions on_delivered(RecordTag tag, std::int64_t offset, const PartitionSnapshot& partition);
    Actions on_delivery_failed(RecordTag tag, const PartitionSnapshot& partition);

    // A stream of this session in a progress record of this generation (PartitionSnapshot::generation); call
    // on_partition after all of a record.
    Actions on_progress(Lane lane, const SpoolId& spool_id, const Cursor& cursor);
    // The partition's view changed, or a tick landed: has the log passed something unsettled?
    Actions on_partition(const PartitionSnapshot& partition);

    Actions on_fork_request(Lane lane, const SpoolId& spool_id);
    // CloseStream is committed; the final cursor. The agent waits for this answer before it moves anything. If the
    // stream could not be closed, try again or end the connection: the agent asks again.
    Actions on_stream_closed(Lane lane, const SpoolId& spool_id, const Cursor& cursor);

    // False: do not read from the connection until something settles.
    bool wants_more() const;
    bool has_unsettled() const;
    // Something unsettled was passed, as far as this snapshot knows: on_partition is to be called when it changes.
    bool has_passed(const PartitionSnapshot& partition) const;
    std::uint64_t unsettled_bytes() const;
    const std::optional<Cursor>& cursor(Lane lane) const { return lanes_[index_of(lane)].cursor; }
    const SpoolId& spool_id(Lane lane) const { return lanes_[index_of(lane)].spool_id; }
    bool has_lane(Lane lane) const { return lanes_[index_of(lane)].named; }
    bool greeted() const { return state_ == State::open; }

  private:
    enum class State { waiting_for_hello, waiting_for_cursors, open };
    struct Forwarded {
        RecordTag tag;
        Seq last;
        std::uint64_t bytes;
        std::uint64_t order;  // of producing, across the partition
        enum class Stage { sent, landed, failed } stage = Stage::sent;
    };
    struct LaneState {
        bool named = false;
        SpoolId spool_id{};
        std::optional<Cursor> cursor;
        std::uint32_t run = 0;
        Seq expected = 1;        // first entry of the next batch of this run
        bool rewinding = false;  // asked; old-run batches are dropped until the new run begins
        std::optional<LogPosition> rewound_at;
        std::deque<Forwarded> unsettled;  // of the current run, in producing order
        std::uint64_t unsettled_bytes = 0;
        std::uint32_t failed = 0;  // of the unsettled

        bool open() const { return named && cursor && cursor->status == StreamStatus::open; }
        // Has the log passed something unsettled? Only what was passed before a cursor was read is judged by that
        // cursor.
        bool has_passed(std::uint64_t passed_order) const;
        void forget_unsettled();
    };

    std::optional<std::string_view> envelope_error(const LaneState& lane, const Envelope& envelope) const;
    void move_cursor(LaneState& lane, Lane which, const Cursor& cursor, Actions& out);
    static void drop_settled(LaneState& lane);
    static bool may_rewind(const LaneState& lane, const PartitionSnapshot& partition);
    void look_for_passed(const PartitionSnapshot& partition, Actions& out);
    Forwarded* find(RecordTag tag, LaneState*& lane, Lane& which);

    SessionLimits limits_;
    State state_ = State::waiting_for_hello;
    bool reading_ = false;             // a cursor read is under way
    std::uint64_t reading_order_ = 0;  // what the log had passed when it was asked for
    RecordTag tags_ = 0;
    std::array<LaneState, lane_count> lanes_;
};

}  // namespace mimamori::domain::delivery
