#include "bench/load/appliance.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "appliance-agent/uplink/frames.h"

namespace mimamori::bench {

namespace uplink = agent::uplink;
using delivery::Lane;

namespace {

constexpr std::array all_lanes{Lane::urgent, Lane::normal, Lane::rollup};
constexpr std::int64_t retry_us = 500'000;
constexpr std::int64_t answer_us = 30'000'000;  // from connecting to HelloAck

}  // namespace

std::int64_t steady_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

std::int64_t real_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

Schedule::Schedule(const std::vector<Phase>& phases, std::size_t appliance, std::size_t appliances)
    : offset_{(static_cast<double>(appliance) + 0.5) / static_cast<double>(appliances)} {
    std::int64_t at = 0;
    for (const auto& phase : phases) {
        const double interval = phase.rate > 0 ? 1e6 * static_cast<double>(appliances) / phase.rate : phase.rate;
        parts_.push_back({at, at + phase.length.count(), interval});
        at += phase.length.count();
    }
}

void Schedule::begin(std::int64_t now_us) {
    for (auto& part : parts_) {
        part.from += now_us;
        part.until += now_us;
    }
    find_next();
}

bool Schedule::is_closed(std::int64_t now_us) const {
    return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
        return part.interval < 0 && now_us >= part.from && now_us < part.until;
    });
}

std::int64_t Schedule::next_closed(std::int64_t now_us) const {
    for (const auto& part : parts_) {
        if (part.interval < 0 && part.from > now_us) {
            return part.from;
        }
    }
    return INT64_MAX;
}

void Schedule::took() {
    ++taken_;
    find_next();
}

void Schedule::find_next() {
    for (; part_ < parts_.size(); ++part_, taken_ = 0) {
        const auto& part = parts_[part_];
        if (part.interval <= 0) {
            continue;
        }
        const auto due = part.from + static_cast<std::int64_t>((static_cast<double>(taken_) + offset_) * part.interval);
        if (due < part.until) {
            next_due_ = due;
            return;
        }
    }
    next_due_ = INT64_MAX;
}

std::uint64_t Schedule::owed(std::int64_t now_us) const {
    std::uint64_t out = 0;
    for (std::size_t i = part_; i < parts_.size() && next_due_ != INT64_MAX; ++i) {
        const auto& part = parts_[i];
        if (part.interval > 0 && now_us > part.from) {
            const auto passed = static_cast<double>(std::min(now_us, part.until) - part.from) / part.interval;
            const auto due = static_cast<std::uint64_t>(std::max(0.0, std::ceil(passed - offset_)));
            out += due - std::min(due, i == part_ ? taken_ : 0);
        }
    }
    return out;
}

Appliance::Appliance(const Options& options, const Traffic& traffic, std::string utm_id, std::size_t number,
                     Tally& tally, Connect connect)
    : options_{options},
      traffic_{traffic},
      utm_id_{std::move(utm_id)},
      tally_{tally},
      connect_{std::move(connect)},
      spools_{Spool{traffic, Lane::urgent, !options.postgres_host.empty()},
              Spool{traffic, Lane::normal, !options.postgres_host.empty()},
              Spool{traffic, Lane::rollup, !options.postgres_host.empty()}},
      link_{{&spools_[0], &spools_[1], &spools_[2]}},
      schedule_{options.phases, number, options.connections},
      next_line_{static_cast<std::uint32_t>(number * 97)},
      made_(options.what == Traffic::What::detections ? 0 : traffic.size()) {}

void Appliance::open(std::int64_t now_us) {
    connection_ = connect_();
    said_hello_ = connected_ = false;
    retry_at_us_ = next_heartbeat_us_ = INT64_MAX;
    answer_by_us_ = now_us + answer_us;
    link_.connected();
}

void Appliance::lose(const Ended& ended, std::int64_t now_us) {
    ++tally_.ended;
    tally_.last_end = ended.what;
    if (ended.refused) {
        tally_.failed = fmt::format("{}: refused: {}", utm_id_, ended.what);
    }
    connection_.reset();
    connected_ = false;
    link_.disconnected();
    retry_at_us_ = now_us + retry_us;
    answer_by_us_ = INT64_MAX;
}

void Appliance::read() {
    if (connection_) {
        connection_->on_ready();
    }
}

std::int64_t Appliance::step(std::int64_t now_us) {
    if (!connection_ && now_us >= retry_at_us_) {
        open(now_us);
    }
    if (connection_) {
        while (const auto frame = connection_->take()) {
            receive(*frame, now_us);
        }
    }
    make_due(now_us);
    send_again_us_ = INT64_MAX;
    if (connection_) {
        send_all(now_us);
        if (const auto ended = connection_->ended()) {
            lose(*ended, now_us);
        } else if (now_us >= answer_by_us_) {
            lose({false, "the gateway did not answer Hello in time"}, now_us);
        }
    }
    const bool makes = began_ && !finished_;
    const auto due = makes && under_way() < options_.window ? schedule_.next_due() : INT64_MAX;
    const auto closed = makes ? schedule_.next_closed(now_us) : INT64_MAX;
    return std::min({due, closed, next_heartbeat_us_, retry_at_us_, answer_by_us_, send_again_us_});
}

void Appliance::receive(const pb::GatewayFrame& frame, std::int64_t now_us) {
    switch (frame.frame_case()) {
        case pb::GatewayFrame::kHelloAck: {
            const auto& ack = frame.hello_ack();
            connected_ = true;
            answer_by_us_ = INT64_MAX;
            ++tally_.connections;
            limits_.max_batch_entries = ack.limits().max_batch_entries();
            limits_.max_batch_bytes = ack.limits().max_batch_bytes();
            limits_.max_unsettled_bytes_per_lane = ack.limits().max_unsettled_bytes_per_lane();
            link_.set_limits(limits_);
            heartbeat_us_ = std::int64_t{1'000'000} * ack.limits().heartbeat_seconds();
            next_heartbeat_us_ = now_us + heartbeat_us_;
            for (const auto& word : ack.lanes()) {
                on_word(word, true, now_us);
            }
            break;
        }
        case pb::GatewayFrame::kSettled:
            on_word(frame.settled(), false, now_us);
            break;
        case pb::GatewayFrame::kReceived:
            if (const auto lane = uplink::lane_of(frame.received().lane())) {
                link_.on_received(*lane, frame.received().run(), frame.received().last());
            }
            break;
        case pb::GatewayFrame::kRewind: {
            const auto lane = uplink::lane_of(frame.rewind().lane());
            const auto spool_id = uplink::bytes16_of(frame.rewind().spool_id());
            if (lane && spool_id) {
                ++tally_.rewinds;
                link_.on_rewind(*lane, *spool_id, frame.rewind().from(), frame.rewind().run());
            }
            break;
        }
        case pb::GatewayFrame::kHeartbeatAck:
        case pb::GatewayFrame::FRAME_NOT_SET:
            break;
    }
}

void Appliance::on_word(const pb::Settled& settled, bool is_hello_ack, std::int64_t now_us) {
    const auto word = uplink::cursor_of(settled);
    if (!word) {
        tally_.failed = utm_id_ + ": a cursor that cannot be read";
        return;
    }
    const auto action = is_hello_ack ? link_.on_hello_ack(*word) : link_.on_settled(*word);
    auto& spool = spools_[delivery::index_of(word->lane)];
    switch (action.what) {
        case delivery::LaneAction::What::nothing:
            break;
        case delivery::LaneAction::What::free:
            tally_.settled += action.free_before - std::min(action.free_before, spool.first());
            spool.settle(action.free_before, now_us, tally_.latencies);
            break;
        case delivery::LaneAction::What::ask_fork:
        case delivery::LaneAction::What::move_spool:
            tally_.failed = fmt::format("{}: the service's cursor of lane {} does not agree with what was sent",
                                        utm_id_, delivery::name_of(word->lane));
            break;
    }
}

std::size_t Appliance::under_way() const {
    return spools_[0].under_way() + spools_[1].under_way() + spools_[2].under_way();
}

void Appliance::see(Lane lane, delivery::Seq before, std::int64_t now_us) {
    spools_[delivery::index_of(lane)].see(before, now_us, tally_.latencies);
}

void Appliance::make(std::int64_t due_us) {
    const auto& line = traffic_.line(next_line_);
    spools_[delivery::index_of(line.lane)].add(next_line_, due_us, real_us());
    if (!made_.empty()) {
        ++made_[next_line_ % traffic_.size()];
    }
    ++next_line_;
    ++tally_.entries;
}

void Appliance::make_due(std::int64_t now_us) {
    if (!began_ || finished_) {
        return;
    }
    auto room = options_.window - std::min(options_.window, under_way());
    for (; room > 0 && schedule_.next_due() <= now_us; --room) {
        make(schedule_.next_due());
        schedule_.took();
    }
    if (room >= options_.batch && schedule_.is_closed(now_us)) {
        for (; room > 0; --room) {
            make(now_us);
        }
    }
}

// Writes until there is nothing to send or the gateway leaves too much of it.
void Appliance::send_all(std::int64_t now_us) {
    bool room_again = true;
    while (room_again) {
        while (connection_->can_write() && send(now_us)) {
        }
        const bool was_full = !connection_->can_write();
        connection_->flush();
        room_again = was_full && connection_->can_write();
    }
}

bool Appliance::send(std::int64_t now_us) {
    if (!said_hello_) {
        said_hello_ = true;
        pb::AgentFrame frame;
        auto& hello = *frame.mutable_hello();
        hello.set_agent_version("load");
        hello.set_appliance_model("load");
        hello.set_agent_clock_us(real_us());
        for (const auto lane : all_lanes) {
            const auto& spool = spools_[delivery::index_of(lane)];
            auto& state = *hello.add_lanes();
            state.set_lane(static_cast<pb::Lane>(lane));
            state.set_spool_id(uplink::bytes_of(spool.spool_id()));
            state.set_first(spool.first());
            state.set_last(spool.last_durable());
        }
        connection_->write(frame);
        return true;
    }
    if (now_us >= next_heartbeat_us_) {
        next_heartbeat_us_ = now_us + heartbeat_us_;
        pb::AgentFrame frame;
        frame.mutable_heartbeat()->set_agent_clock_us(real_us());
        connection_->write(frame);
        return true;
    }
    return std::any_of(all_lanes.begin(), all_lanes.end(), [&](Lane lane) { return send_lane(lane, now_us); });
}

// As the agent: the urgent lane at once, the others when a batch is full or has waited.
bool Appliance::send_lane(Lane lane, std::int64_t now_us) {
    const auto next = link_.next(lane);
    if (!next) {
        return false;
    }
    const auto& spool = spools_[delivery::index_of(lane)];
    if (next->what == delivery::Send::What::gone) {
        tally_.failed = utm_id_ + ": asked for entries that were settled";
        return false;
    }
    if (lane != Lane::urgent && spool.last_durable() - next->from + 1 < options_.batch && !finished_) {
        const auto at = spool.due_us(next->from) + std::chrono::microseconds{options_.batch_delay}.count();
        if (now_us < at) {
            send_again_us_ = std::min(send_again_us_, at);
            return false;
        }
    }
    auto batch =
        uplink::batch_of(*next, spool.spool_id(),
                         spool.piece(next->from, std::min<std::size_t>(options_.batch, limits_.max_batch_entries)),
                         limits_.max_batch_bytes);
    link_.sent(lane, batch.last, batch.raw_bytes);
    ++tally_.batches;
    connection_->write(batch.frame);
    return true;
}

}  // namespace mimamori::bench
