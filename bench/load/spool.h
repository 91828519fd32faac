// One lane of an appliance's spool in memory: numbered entries with their chain, kept until they are settled. Payloads
// are made anew from the line's number and time, so that an entry costs tens of bytes. Not durable: that is the agent's
// business.
#pragma once

#include <cstdint>
#include <deque>

#include "appliance-agent/spool/lane.h"
#include "bench/load/histogram.h"
#include "bench/load/traffic.h"
#include "domain/delivery/agent_link.h"

namespace mimamori::bench {

namespace delivery = domain::delivery;

struct Latencies {
    std::int64_t from_us = 0;    // of entries due from then on; what came before warms up
    Histogram settled, visible;  // since the entry was due
};

class Spool final : public delivery::SpoolView {
  public:
    // `watched`: times are kept until the row has been seen, too.
    Spool(const Traffic& traffic, delivery::Lane lane, bool watched);

    delivery::SpoolId spool_id() const override { return spool_id_; }
    delivery::Seq first() const override { return first_; }
    delivery::Seq last_durable() const override { return first_ + entries_.size() - 1; }
    delivery::Hash128 h_before(delivery::Seq seq) const override;

    void add(std::uint32_t line, std::int64_t due_us, std::int64_t real_us);
    std::int64_t due_us(delivery::Seq seq) const { return times_[static_cast<std::size_t>(seq - times_first_)]; }
    agent::spool::Piece piece(delivery::Seq from, std::size_t max_entries) const;
    // Everything before `seq` is settled, or its rows were seen, at `now_us`.
    void settle(delivery::Seq before, std::int64_t now_us, Latencies& out);
    void see(delivery::Seq before, std::int64_t now_us, Latencies& out);
    // Entries of which something is not known yet: not settled, or not seen where they are watched.
    std::size_t under_way() const { return times_.size(); }

  private:
    struct Entry {
        std::int64_t real_us;
        std::uint32_t line;
        delivery::Hash128 h;  // after it
    };
    void forget_times();

    const Traffic& traffic_;
    const delivery::Lane lane_;
    const bool watched_;
    const delivery::SpoolId spool_id_;
    delivery::Seq first_ = 1;
    delivery::Hash128 h_first_;  // before first_
    std::deque<Entry> entries_;
    delivery::Seq times_first_ = 1, settled_ = 1, seen_ = 1;  // first of times_, first not settled, first not seen
    std::deque<std::int64_t> times_;                          // due, of entries from times_first_ on
    mutable std::string payload_;
};

}  // namespace mimamori::bench
