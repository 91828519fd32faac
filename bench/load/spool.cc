#include "bench/load/spool.h"

#include <algorithm>

#include "base/random.h"
#include "domain/delivery/chain.h"

namespace mimamori::bench {

Spool::Spool(const Traffic& traffic, delivery::Lane lane, bool watched)
    : traffic_{traffic},
      lane_{lane},
      watched_{watched},
      spool_id_{base::random_bytes16()},
      h_first_{delivery::chain_origin(lane, spool_id_)} {}

delivery::Hash128 Spool::h_before(delivery::Seq seq) const {
    return seq == first_ ? h_first_ : entries_[static_cast<std::size_t>(seq - first_) - 1].h;
}

void Spool::add(std::uint32_t line, std::int64_t due_us, std::int64_t real_us) {
    traffic_.payload(line, real_us, payload_);
    const auto seq = last_durable() + 1;
    const auto digest = delivery::digest_of(traffic_.line(line).kind, payload_);
    const auto h = delivery::chain_next(h_before(seq), seq, digest);
    entries_.push_back({real_us, line, h});
    times_.push_back(due_us);
}

agent::spool::Piece Spool::piece(delivery::Seq from, std::size_t max_entries) const {
    agent::spool::Piece out;
    out.first = from;
    out.last = std::min<delivery::Seq>(last_durable(), from + max_entries - 1);
    out.h_before = h_before(from);
    for (auto seq = from; seq <= out.last; ++seq) {
        const auto& entry = entries_[static_cast<std::size_t>(seq - first_)];
        const auto& line = traffic_.line(entry.line);
        auto& made = out.entries.emplace_back();
        made.kind = line.kind;
        made.class_byte = line.class_byte;
        made.observed_at_us = entry.real_us;
        traffic_.payload(entry.line, entry.real_us, made.payload);
    }
    return out;
}

void Spool::settle(delivery::Seq before, std::int64_t now_us, Latencies& out) {
    for (; settled_ < before; ++settled_) {
        if (const auto due = due_us(settled_); due >= out.from_us) {
            out.settled.add(now_us - due);
        }
    }
    while (first_ < before && !entries_.empty()) {
        h_first_ = entries_.front().h;
        entries_.pop_front();
        ++first_;
    }
    forget_times();
}

void Spool::see(delivery::Seq before, std::int64_t now_us, Latencies& out) {
    for (; seen_ < std::min(before, last_durable() + 1); ++seen_) {
        if (const auto due = due_us(seen_); due >= out.from_us) {
            out.visible.add(now_us - due);
        }
    }
    forget_times();
}

void Spool::forget_times() {
    const auto known = watched_ ? std::min(settled_, seen_) : settled_;
    for (; times_first_ < known; ++times_first_) {
        times_.pop_front();
    }
}

}  // namespace mimamori::bench
