#include "domain/delivery/agent_link.h"

#include <algorithm>

namespace mimamori::domain::delivery {

using What = LaneAction::What;

namespace {

// The oldest entry that can still be sent, alone or with the damaged range it belongs to.
Seq held_from(const SpoolView& spool) {
    const Seq first = spool.first();
    return first > spool.last_durable() ? first : spool.range_start(first);
}

bool knows_h(const SpoolView& spool, Seq seq) {
    return seq >= spool.first() && (seq > spool.last_durable() || spool.range_start(seq) == seq);
}

}  // namespace

AgentLink::AgentLink(Spools spools) : spools_{spools} {}

void AgentLink::connected() {
    lanes_ = {};
    connected_ = true;
}

void AgentLink::disconnected() {
    lanes_ = {};
    connected_ = false;
}

bool AgentLink::ready() const {
    return connected_ &&
           std::none_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane.state == State::waiting; });
}

LaneAction AgentLink::on_hello_ack(const LaneCursor& word) {
    return on_cursor(word, true);
}

LaneAction AgentLink::on_settled(const LaneCursor& word) {
    return on_cursor(word, false);
}

LaneAction AgentLink::on_cursor(const LaneCursor& word, bool is_hello_ack) {
    auto& lane = lanes_[index_of(word.lane)];
    const auto& spool = *spools_[index_of(word.lane)];
    if (!connected_ || word.spool_id != spool.spool_id() || lane.state == State::moving) {
        return {};  // of another life of this spool
    }
    const Seq next = word.cursor.next_seq;
    const bool beyond_ours = next > spool.last_durable() + 1;
    // Where we have freed already our H is gone (it agreed when we freed), and inside a damaged range nobody has one.
    const bool comparable = !beyond_ours && knows_h(spool, next);
    const bool agrees = comparable && spool.h_before(next) == word.cursor.h;

    LaneAction action{.lane = word.lane};
    if (word.cursor.status == StreamStatus::closed) {
        lane.state = State::moving;
        action.what = What::move_spool;
        action.move_from = agrees ? next : spool.first();
        return action;
    }
    if (beyond_ours || (comparable && !agrees)) {
        if (lane.state == State::forked) {
            return {};
        }
        lane.state = State::forked;
        action.what = What::ask_fork;
        return action;
    }
    if (lane.state == State::forked) {
        return {};  // an older word: the gateway is closing the stream
    }
    if (is_hello_ack) {
        lane = {};
        lane.state = State::streaming;
        lane.next = next;
    }
    forget_in_flight(lane, next);
    if (!comparable) {
        return {};
    }
    lane.next = std::max(lane.next, next);  // batches of an earlier connection may settle what this one has not sent
    if (next > spool.first()) {
        action.what = What::free;
        action.free_before = next;
    }
    return action;
}

void AgentLink::on_received(Lane which, std::uint32_t run, Seq last) {
    auto& lane = lanes_[index_of(which)];
    if (run == lane.run) {
        lane.received = std::max(lane.received, last);
    }
}

void AgentLink::on_rewind(Lane which, const SpoolId& spool_id, Seq from, std::uint32_t run) {
    auto& lane = lanes_[index_of(which)];
    if (lane.state != State::streaming || spool_id != spools_[index_of(which)]->spool_id() || run <= lane.run) {
        return;
    }
    lane.run = run;
    lane.next = from;
    lane.received = from == 0 ? 0 : from - 1;
    lane.in_flight.clear();
    lane.unsettled_bytes = 0;
}

std::optional<Send> AgentLink::next(Lane which) const {
    const auto& lane = lanes_[index_of(which)];
    const auto& spool = *spools_[index_of(which)];
    if (lane.state != State::streaming) {
        return std::nullopt;
    }
    // The gateway stops reading at its cap, all lanes at once: stay below it, so that the urgent lane is never held up.
    const bool no_room = lane.unsettled_bytes > 0 &&
                         lane.unsettled_bytes + limits_.max_batch_bytes >= limits_.max_unsettled_bytes_per_lane;
    if (no_room || lane.in_flight.size() >= limits_.max_unsettled_batches_per_lane) {
        return std::nullopt;
    }
    if (const Seq held = held_from(spool); lane.next < held) {  // settled once, by a database that was restored since
        return Send{Send::What::gone, which, lane.run, lane.next, held - 1, spool.h_before(held)};
    }
    if (lane.next > spool.last_durable()) {
        return std::nullopt;
    }
    const Seq from = spool.range_start(lane.next);
    return Send{Send::What::batch, which, lane.run, from, 0, spool.h_before(from)};
}

std::optional<Send> AgentLink::next() const {
    for (const auto lane : {Lane::urgent, Lane::normal, Lane::rollup}) {
        if (auto send = next(lane)) {
            return send;
        }
    }
    return std::nullopt;
}

void AgentLink::sent(Lane which, Seq last, std::uint64_t bytes) {
    auto& lane = lanes_[index_of(which)];
    lane.next = last + 1;
    lane.in_flight.push_back({last, bytes});
    lane.unsettled_bytes += bytes;
}

void AgentLink::forget_in_flight(LaneState& lane, Seq before) {
    while (!lane.in_flight.empty() && lane.in_flight.front().last < before) {
        lane.unsettled_bytes -= lane.in_flight.front().bytes;
        lane.in_flight.pop_front();
    }
}

}  // namespace mimamori::domain::delivery
