// The agent's side of the conversation with a gateway: connects, says what the spool holds, sends what AgentLink says,
// frees what is settled, moves a forked spool. One thread; nothing here blocks except the disk.
//
//   step:  not connected and the wait is over -> connect, Hello
//          frames from the gateway            -> AgentLink; do what it answers; remember clock and LAN ranges
//          the stream ended                   -> wait with full jitter, take the next address
//          room to write                      -> fork requests and heartbeats, then lanes by urgency: urgent at once,
//          the
//                                                others when a batch is full or its first entry has waited long enough
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance-agent/spool/spool.h"
#include "appliance-agent/uplink/backoff.h"
#include "appliance-agent/uplink/connection.h"
#include "appliance-agent/uplink/frames.h"
#include "domain/delivery/agent_link.h"

namespace mimamori::agent::uplink {

using Steady = std::chrono::steady_clock::time_point;

struct UplinkSettings {
    std::vector<std::string> addresses;  // "gateway.example.jp:8443"; tried in turn from a random one on
    std::string server_name;             // see Connection
    CertificateFiles certificates;
    BackoffSettings backoff;
    std::chrono::milliseconds answer_limit{30'000};  // from connecting to HelloAck
    std::size_t batch_entries = 200;
    std::size_t batch_bytes = 128U << 10U;
    std::chrono::milliseconds batch_delay{500};
    std::string agent_version;
    std::string appliance_model;
};

// What the uplink asks of the agent and tells it.
struct UplinkPorts {
    std::function<base::Time()> now;  // the agent's clock
    std::function<void()> wake;       // any thread: step again
    // Whether what is spooled may go out under this name of the certificate; the failure says why not.
    std::function<base::Expected<void>(const std::string& common_name)> may_send_as;
    std::function<std::string()> firmware_version;         // asked at each connection
    std::function<std::uint64_t()> rejected_lines;         // for heartbeats
    std::function<void(std::vector<std::string>)> on_lan;  // ranges of the site, as the gateway named them
    std::function<void(const char* event, const std::string& detail)> report;
};

struct UplinkState {
    bool connected = false;  // HelloAck has come
    std::string address;     // of the connection, or of the last one tried
    std::string last_error;
    std::int64_t clock_offset_us = 0;  // gateway minus agent; 0 until measured
    std::uint64_t batches_sent = 0, entries_sent = 0, settled_entries = 0, forks = 0, rewinds = 0, connections = 0;
};

class Uplink {
  public:
    // `spool` must outlive it.
    Uplink(UplinkSettings settings, UplinkPorts ports, spool::Spool& spool);

    // A failure is the spool's and means that it must be opened again.
    spool::FileResult<void> step(Steady now);
    Steady next_step(Steady now) const;  // at the latest; earlier when woken

    // From now on nothing waits for a batch to fill.
    void hurry() { hurrying_ = true; }
    bool all_settled() const;
    std::uint64_t not_settled(delivery::Lane lane) const;  // entries held that the gateway has not told to be settled

    const UplinkState& state() const { return state_; }

  private:
    // The spool as the link sees it; outlives a lane's move to a new spool id.
    class View final : public delivery::SpoolView {
      public:
        View(const spool::Spool& spool, delivery::Lane lane) : spool_{spool}, lane_{lane} {}
        delivery::SpoolId spool_id() const override { return spool_.lane(lane_).spool_id(); }
        delivery::Seq first() const override { return spool_.lane(lane_).first(); }
        delivery::Seq last_durable() const override { return spool_.lane(lane_).last_durable(); }
        delivery::Hash128 h_before(delivery::Seq seq) const override { return spool_.lane(lane_).h_before(seq); }

      private:
        const spool::Spool& spool_;
        delivery::Lane lane_;
    };
    struct Waiting {                     // a lane's entries that were not sent
        std::optional<Steady> since;     // when the first of them was seen
        std::uint64_t bytes_before = 0;  // committed to the lane before them
    };

    void connect(Steady now);
    void disconnect(Steady now, const Ended& why);
    pb::AgentFrame hello() const;
    pb::AgentFrame heartbeat() const;
    spool::FileResult<void> receive(const pb::GatewayFrame& frame, Steady now);
    spool::FileResult<void> on_hello_ack(const pb::HelloAck& ack, Steady now);
    spool::FileResult<void> on_word(const pb::Settled& word, bool is_hello_ack, Steady now);
    spool::FileResult<void> act(const delivery::LaneAction& action, Steady now);
    spool::FileResult<void> send(Steady now);
    spool::FileResult<bool> send_lane(delivery::Lane lane, Steady now);
    bool is_due(const delivery::Send& next, Steady now);
    void measure_clock(std::int64_t gateway_us, std::int64_t sent_us);

    UplinkSettings settings_;
    UplinkPorts ports_;
    spool::Spool& spool_;
    std::array<View, delivery::lane_count> views_;
    delivery::AgentLink link_;
    delivery::AgentLimits limits_;
    Backoff backoff_;
    std::unique_ptr<Connection> connection_;
    std::size_t next_address_;
    Steady retry_at_{};
    Steady connected_at_{};
    std::int64_t hello_sent_us_ = 0;
    bool said_hello_ = false;
    std::optional<std::chrono::milliseconds> heartbeat_every_;
    Steady next_heartbeat_{};
    bool heartbeat_due_ = false;
    std::deque<pb::AgentFrame> outgoing_;  // one fork request a lane at most
    std::array<Waiting, delivery::lane_count> waiting_;
    std::array<delivery::Seq, delivery::lane_count>
        settled_{};  // told by the gateway for the present spool id; next_seq
    bool hurrying_ = false;
    UplinkState state_;
};

}  // namespace mimamori::agent::uplink
