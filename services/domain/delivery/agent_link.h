// The agent's decisions: what to send, what to free, when a spool has forked. One link per spool, one connection at a
// time. Pure: the spool is asked through SpoolView, and every input returns what to do. Reading entries, cutting
// batches by bytes, and moving a spool are the agent's business.
//
//   connected      -> send Hello with every lane's spool id, first and last
//   HelloAck       -> per lane: free up to the cursor if our own H there agrees, and send on from the cursor;
//                     a cursor beyond our last, or another H, is a fork: send and free nothing, ask for the stream's
//                     closing
//   settled        -> free if our own H agrees, else fork
//   closed         -> move the lane's entries to a new spool id, then connect again
//   rewind         -> send again from there, under the new run number
//   next           -> the range to send: urgent first; what is no longer held is stated gone
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "domain/delivery/types.h"

namespace mimamori::domain::delivery {

// One lane of the spool as the link needs to see it.
class SpoolView {
  public:
    virtual ~SpoolView() = default;
    virtual SpoolId spool_id() const = 0;
    virtual Seq first() const = 0;         // oldest entry held; last_durable() + 1 when empty
    virtual Seq last_durable() const = 0;  // last entry that survives a crash; 0 if none was ever assigned
    // H before `seq`, for first() <= seq <= last_durable() + 1. Kept even when the spool is empty.
    // Not asked inside a damaged range: nobody knows H there.
    virtual Hash128 h_before(Seq seq) const = 0;
    // Where the range that `seq` can only be sent as part of begins: `seq` itself, except inside a damaged range (a
    // tombstone without digests), which travels whole. May lie before first().
    virtual Seq range_start(Seq seq) const { return seq; }
};

// The gateway's word about one lane: from HelloAck or a settled message.
struct LaneCursor {
    Lane lane = Lane::normal;
    SpoolId spool_id{};
    Cursor cursor{};
};

struct AgentLimits {  // from HelloAck; until then nothing is sent
    std::uint32_t max_batch_entries = 1000;
    std::uint32_t max_batch_bytes = 1U << 20U;
    std::uint64_t max_unsettled_bytes_per_lane = 8U << 20U;
    std::uint32_t max_unsettled_batches_per_lane = unsettled_batches_per_lane;  // not on the wire
};

// What the agent does about a lane after a word of the gateway.
struct LaneAction {
    enum class What {
        nothing,
        free,        // everything before free_before is stored: it may be unlinked
        ask_fork,    // send ForkRequest for this lane
        move_spool,  // move the entries from move_from on to a new spool id, each marked with the first place it ever
                     // had, atomically; then connect again
    };
    What what = What::nothing;
    Lane lane = Lane::normal;
    Seq free_before = 0;
    Seq move_from = 0;          // first entry to move
};

// The next thing to send.
struct Send {
    enum class What { batch, gone };
    What what = What::batch;
    Lane lane = Lane::normal;
    std::uint32_t run = 0;
    Seq from = 0;       // of a damaged range its first, though some of it may have been sent or settled as entries
    Seq gone_last = 0;  // with gone: from..gone_last
    Hash128 h{};        // with batch: H before `from`; with gone: H after gone_last
};

class AgentLink {
  public:
    using Spools = std::array<const SpoolView*, lane_count>;

    // The views must outlive the link and show the spool as it is now.
    explicit AgentLink(Spools spools);

    void connected();  // a new session: nothing is known until HelloAck
    void disconnected();

    // One call per lane of HelloAck, after set_limits.
    void set_limits(const AgentLimits& limits) { limits_ = limits; }
    LaneAction on_hello_ack(const LaneCursor& word);
    LaneAction on_settled(const LaneCursor& word);
    void on_received(Lane lane, std::uint32_t run, Seq last);
    void on_rewind(Lane lane, const SpoolId& spool_id, Seq from, std::uint32_t run);

    // What to send now, or nothing: all sent, the window is full, or no HelloAck yet. Call again after sent().
    std::optional<Send> next() const;
    // A lane's own turn, for an agent that waits longer to fill a batch of one lane than of another.
    std::optional<Send> next(Lane lane) const;
    // The message from next() went out as from..last (gone: gone_last). `bytes`: of the frame or of what it unpacks to,
    // whichever is more.
    void sent(Lane lane, Seq last, std::uint64_t bytes);

    bool ready() const;  // HelloAck came for every lane
    bool has_forked(Lane lane) const { return lanes_[index_of(lane)].state == State::forked; }
    std::uint64_t unsettled_bytes(Lane lane) const { return lanes_[index_of(lane)].unsettled_bytes; }
    Seq received_until(Lane lane) const { return lanes_[index_of(lane)].received; }  // a hint: on Kafka

  private:
    enum class State {
        waiting,  // for HelloAck
        streaming,
        forked,  // ForkRequest is out: nothing is sent or freed
        moving,  // the stream is closed: the spool must be moved before anything else
    };
    struct InFlight {
        Seq last;
        std::uint64_t bytes;
    };
    struct LaneState {
        State state = State::waiting;
        std::uint32_t run = 0;
        Seq next = 1;  // first entry not sent in this run
        Seq received = 0;
        std::deque<InFlight> in_flight;
        std::uint64_t unsettled_bytes = 0;
    };
    LaneAction on_cursor(const LaneCursor& word, bool is_hello_ack);
    void forget_in_flight(LaneState& lane, Seq before);

    Spools spools_;
    std::array<LaneState, lane_count> lanes_;
    AgentLimits limits_;
    bool connected_ = false;
};

}  // namespace mimamori::domain::delivery
