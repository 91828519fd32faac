#include "simulation/spool.h"

#include <algorithm>

namespace mimamori::simulation {

Seq SimulatedSpool::range_start(Seq seq) const {
    return form(seq) == Form::damaged ? range_first_.at(seq - 1) : seq;
}

Seq SimulatedSpool::range_last(Seq seq) const {
    const Seq start = range_first_.at(seq - 1);
    while (seq < last_durable_ && range_first_.at(seq) == start) {
        ++seq;
    }
    return seq;
}

void SimulatedSpool::create(Lane lane, const SpoolId& id, bool sends_before_fsync) {
    *this = SimulatedSpool{};
    spool_id_ = id;
    sends_before_fsync_ = sends_before_fsync;
    h_.push_back(chain_origin(lane, id));
}

void SimulatedSpool::append(Entry entry) {
    h_.push_back(chain_next(h_.back(), last() + 1, entry.digest));
    entries_.push_back(std::move(entry));
    forms_.push_back(Form::whole);
    range_first_.push_back(0);
}

void SimulatedSpool::lose_unsynced() {
    entries_.resize(last_durable_);
    forms_.resize(last_durable_);
    range_first_.resize(last_durable_);
    h_.resize(last_durable_ + 1);
    first_ = std::min(first_, last_durable_ + 1);
}

SimulatedSpool SimulatedSpool::moved(Lane lane, const SpoolId& id, Seq from, Marks marks) const {
    SimulatedSpool next;
    next.create(lane, id, sends_before_fsync_);
    for (Seq seq = from; seq <= last(); ++seq) {
        auto moving = entry(seq);
        if (marks == Marks::last_place || (marks == Marks::first_place && !moving.suspect)) {
            moving.suspect = SuspectOf{spool_id_, seq};
        }
        next.append(std::move(moving));
        const Seq start = range_first_.at(seq - 1);
        next.forms_.back() = form(seq);
        next.range_first_.back() = start == 0 ? 0 : std::max(start, from) - from + 1;
    }
    next.sync();
    return next;
}

void SimulatedSpool::give_up(Seq first, Seq last, bool damaged) {
    for (Seq seq = first; seq <= last; ++seq) {
        forms_.at(seq - 1) = damaged ? Form::damaged : Form::tombstone;
        range_first_.at(seq - 1) = first;
    }
}

void SimulatedSpool::adopt(Seq seq, const Hash128& h) {
    const Seq start = range_first_.at(seq - 1);
    for (Seq each = seq; each <= last() && range_first_.at(each - 1) == start; ++each) {
        range_first_.at(each - 1) = seq;
    }
    h_.at(seq - 1) = h;
}

}  // namespace mimamori::simulation
