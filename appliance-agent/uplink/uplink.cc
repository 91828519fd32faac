#include "appliance-agent/uplink/uplink.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "base/seeded_fault.h"

namespace mimamori::agent::uplink {
namespace {

constexpr std::array all_lanes{delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup};
constexpr std::size_t max_lan_ranges = 256;
constexpr std::chrono::seconds no_space_pause{1};
constexpr std::int64_t longest_round_trip_us = 10'000'000;

base::Time real_now() {  // TLS stays on real time
    return std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
}

}  // namespace

Uplink::Uplink(UplinkSettings settings, UplinkPorts ports, spool::Spool& spool)
    : settings_{std::move(settings)},
      ports_{std::move(ports)},
      spool_{spool},
      views_{View{spool, delivery::Lane::urgent}, View{spool, delivery::Lane::normal},
             View{spool, delivery::Lane::rollup}},
      link_{{&views_[0], &views_[1], &views_[2]}},
      backoff_{settings_.backoff},
      next_address_{base::random_u64() % settings_.addresses.size()} {}

spool::FileResult<void> Uplink::step(Steady now) {
    if (!connection_ && now >= retry_at_) {
        connect(now);
    }
    while (connection_) {
        const auto frame = connection_->take();
        if (!frame) {
            break;
        }
        if (auto done = receive(*frame, now); !done) {
            return done;
        }
    }
    if (!connection_) {
        return {};
    }
    if (const auto ended = connection_->ended()) {
        disconnect(now, *ended);
    } else if (!state_.connected && now >= connected_at_ + settings_.answer_limit) {
        disconnect(now, {false, "no answer to Hello"});
    } else {
        return send(now);
    }
    return {};
}

Steady Uplink::next_step(Steady now) const {
    if (!connection_) {
        return retry_at_;
    }
    if (!state_.connected) {
        return connected_at_ + settings_.answer_limit;
    }
    auto at = heartbeat_every_ ? next_heartbeat_ : now + settings_.answer_limit;
    for (const auto& lane : waiting_) {
        if (lane.since && connection_->can_write()) {
            at = std::min(at, *lane.since + settings_.batch_delay);
        }
    }
    return at;
}

void Uplink::connect(Steady now) {
    const auto identity = read_identity(settings_.certificates, real_now());
    if (!identity) {
        disconnect(now, {true, identity.error().what});
        return;
    }
    if (const auto allowed = ports_.may_send_as(identity->common_name); !allowed) {
        disconnect(now, {true, allowed.error().what});
        return;
    }
    state_.address = settings_.addresses[next_address_];
    next_address_ = (next_address_ + 1) % settings_.addresses.size();
    connection_ = std::make_unique<Connection>(state_.address, settings_.server_name, *identity, ports_.wake);
    connected_at_ = now;
    said_hello_ = false;
    link_.connected();
}

void Uplink::disconnect(Steady now, const Ended& why) {
    const auto wait =
        why.refused ? backoff_.after_refusal(base::random_u64()) : backoff_.after_failure(base::random_u64());
    ports_.report(why.refused ? "uplink_refused" : "uplink_ended",
                  fmt::format("{}: {}; next try in {} ms", state_.address, why.what, wait.count()));
    state_.last_error = why.what;
    state_.connected = false;
    connection_.reset();
    link_.disconnected();
    outgoing_.clear();
    heartbeat_every_.reset();
    heartbeat_due_ = false;
    waiting_ = {};
    retry_at_ = now + wait;
}

pb::AgentFrame Uplink::hello() const {
    pb::AgentFrame frame;
    auto& hello = *frame.mutable_hello();
    hello.set_agent_version(settings_.agent_version);
    hello.set_appliance_model(settings_.appliance_model);
    hello.set_firmware_version(ports_.firmware_version());
    hello.set_agent_clock_us(base::to_us(ports_.now()));
    for (const auto lane : all_lanes) {
        const auto& view = views_[delivery::index_of(lane)];
        auto& state = *hello.add_lanes();
        state.set_lane(static_cast<pb::Lane>(lane));
        state.set_spool_id(bytes_of(view.spool_id()));
        state.set_first(view.first());
        state.set_last(view.last_durable());
    }
    return frame;
}

pb::AgentFrame Uplink::heartbeat() const {
    pb::AgentFrame frame;
    auto& beat = *frame.mutable_heartbeat();
    beat.set_agent_clock_us(base::to_us(ports_.now()));
    beat.set_spool_bytes(spool_.bytes());
    beat.set_rejected_lines(ports_.rejected_lines());
    std::int64_t oldest = 0;
    for (const auto lane : all_lanes) {
        const auto from = std::max(settled_[delivery::index_of(lane)], spool_.lane(lane).first());
        const auto at = spool_.lane(lane).oldest_spooled_us(from);
        oldest = at != 0 && (oldest == 0 || at < oldest) ? at : oldest;
    }
    beat.set_spool_oldest_us(static_cast<std::uint64_t>(oldest));
    return frame;
}

spool::FileResult<void> Uplink::receive(const pb::GatewayFrame& frame, Steady now) {
    switch (frame.frame_case()) {
        case pb::GatewayFrame::kHelloAck:
            return on_hello_ack(frame.hello_ack(), now);
        case pb::GatewayFrame::kSettled:
            return on_word(frame.settled(), false, now);
        case pb::GatewayFrame::kReceived:
            if (const auto lane = lane_of(frame.received().lane())) {
                link_.on_received(*lane, frame.received().run(), frame.received().last());
                if (base::seeded_fault("settled_before_commit")) {
                    return spool_.free(*lane, frame.received().last() + 1);
                }
            }
            return {};
        case pb::GatewayFrame::kRewind: {
            const auto& rewind = frame.rewind();
            const auto lane = lane_of(rewind.lane());
            const auto spool_id = bytes16_of(rewind.spool_id());
            if (lane && spool_id && rewind.from() >= 1 && rewind.from() <= spool_.lane(*lane).last_durable() + 1) {
                ++state_.rewinds;
                link_.on_rewind(*lane, *spool_id, rewind.from(), rewind.run());
            }
            return {};
        }
        case pb::GatewayFrame::kHeartbeatAck:
            measure_clock(frame.heartbeat_ack().gateway_clock_us(), frame.heartbeat_ack().agent_clock_us());
            return {};
        case pb::GatewayFrame::FRAME_NOT_SET:
            return {};
    }
    return {};
}

// Halfway between sending and hearing is when the gateway read its clock, give or take half the round trip: one that
// was held up on its way tells nothing.
void Uplink::measure_clock(std::int64_t gateway_us, std::int64_t sent_us) {
    const auto now_us = base::to_us(ports_.now());
    if (sent_us <= now_us && now_us - sent_us <= longest_round_trip_us) {
        state_.clock_offset_us = gateway_us - (sent_us + (now_us - sent_us) / 2);
    }
}

spool::FileResult<void> Uplink::on_hello_ack(const pb::HelloAck& ack, Steady now) {
    if (state_.connected) {
        return {};
    }
    state_.connected = true;
    ++state_.connections;
    state_.last_error.clear();
    ports_.report("uplink_connected", state_.address);
    measure_clock(ack.gateway_clock_us(), hello_sent_us_);
    limits_ = {};
    if (ack.limits().max_batch_entries() > 0) {
        limits_.max_batch_entries = ack.limits().max_batch_entries();
    }
    if (ack.limits().max_batch_bytes() > 0) {
        limits_.max_batch_bytes = std::max<std::uint32_t>(ack.limits().max_batch_bytes(), 1024);
    }
    if (ack.limits().max_unsettled_bytes_per_lane() > 0) {
        limits_.max_unsettled_bytes_per_lane = ack.limits().max_unsettled_bytes_per_lane();
    }
    link_.set_limits(limits_);
    heartbeat_every_ = std::chrono::seconds{std::clamp<std::uint32_t>(ack.limits().heartbeat_seconds(), 1, 3600)};
    next_heartbeat_ = now;
    std::vector<std::string> lan;
    for (int i = 0; i < std::min<int>(ack.lan_ranges_size(), max_lan_ranges); ++i) {
        lan.push_back(ack.lan_ranges(i));
    }
    ports_.on_lan(std::move(lan));
    for (const auto& word : ack.lanes()) {
        if (auto done = on_word(word, true, now); !done || !connection_) {
            return done;
        }
    }
    return {};
}

spool::FileResult<void> Uplink::on_word(const pb::Settled& settled, bool is_hello_ack, Steady now) {
    const auto word = cursor_of(settled);
    if (!word) {
        ports_.report("uplink_malformed", "a cursor from the gateway is malformed");
        return {};
    }
    const auto& lane = spool_.lane(word->lane);
    const auto next = word->cursor.next_seq;
    if (word->spool_id == lane.spool_id()) {
        if (next > lane.first() && next <= lane.last_durable() && !lane.can_tell(next)) {
            ports_.report("spool_damaged", fmt::format("{}: entry {} lies in a damaged range; the gateway's H is taken",
                                                       delivery::name_of(word->lane), next));
            spool_.adopt(word->lane, next, word->cursor.h);
        }
        auto& known = settled_[delivery::index_of(word->lane)];
        if (next > known && next <= lane.last_durable() + 1) {
            state_.settled_entries += known == 0 ? 0 : next - known;
            known = next;
        }
    }
    if (!is_hello_ack) {
        backoff_.worked();
    }
    return act(is_hello_ack ? link_.on_hello_ack(*word) : link_.on_settled(*word), now);
}

spool::FileResult<void> Uplink::act(const delivery::LaneAction& action, Steady now) {
    using What = delivery::LaneAction::What;
    switch (action.what) {
        case What::nothing:
            return {};
        case What::free: {
            auto freed = spool_.free(action.lane, action.free_before);
            return freed;
        }
        case What::ask_fork:
            ports_.report("spool_forked", fmt::format("{}: the gateway knows another history of this spool",
                                                      delivery::name_of(action.lane)));
            outgoing_.push_back(fork_of(action.lane, spool_.lane(action.lane).spool_id()));
            return {};
        case What::move_spool: {
            const auto moved = spool_.move(action.lane, action.move_from);
            if (!moved && moved.error().kind != spool::FileError::Kind::no_space) {
                return moved;
            }
            settled_[delivery::index_of(action.lane)] = 0;
            state_.forks += moved ? 1U : 0U;
            disconnect(now, {false, moved ? fmt::format("{}: entries from {} on have a new spool id",
                                                        delivery::name_of(action.lane), action.move_from)
                                          : "no room to move a forked spool: " + moved.error().what});
            return {};
        }
    }
    return {};
}

bool Uplink::is_due(const delivery::Send& next, Steady now) {
    const auto& lane = spool_.lane(next.lane);
    auto& waiting = waiting_[delivery::index_of(next.lane)];
    if (!waiting.since) {
        waiting.since = now;
    }
    return next.lane == delivery::Lane::urgent || hurrying_ ||
           lane.last_durable() - next.from + 1 >= settings_.batch_entries ||
           spool_.committed_bytes(next.lane) - waiting.bytes_before >= settings_.batch_bytes ||
           now >= *waiting.since + settings_.batch_delay;
}

spool::FileResult<void> Uplink::send(Steady now) {
    if (!said_hello_ && connection_->can_write()) {
        said_hello_ = true;
        auto frame = hello();
        hello_sent_us_ = frame.hello().agent_clock_us();
        connection_->write(std::move(frame));
    }
    if (heartbeat_every_ && now >= next_heartbeat_) {
        heartbeat_due_ = true;
        next_heartbeat_ = now + *heartbeat_every_;
    }
    while (connection_->can_write()) {
        if (heartbeat_due_) {  // made only now: it says how late it is by this clock
            heartbeat_due_ = false;
            connection_->write(heartbeat());
            continue;
        }
        if (!outgoing_.empty()) {
            connection_->write(std::move(outgoing_.front()));
            outgoing_.pop_front();
            continue;
        }
        bool any = false;
        for (const auto lane : all_lanes) {
            auto sent = send_lane(lane, now);
            if (!sent) {
                return tl::unexpected{sent.error()};
            }
            if (*sent) {
                any = true;
                break;
            }
        }
        if (!any) {
            break;
        }
    }
    return {};
}

spool::FileResult<bool> Uplink::send_lane(delivery::Lane lane, Steady now) {
    const auto next = link_.next(lane);
    auto& waiting = waiting_[delivery::index_of(lane)];
    if (!next) {
        waiting = {std::nullopt, spool_.committed_bytes(lane)};
        return false;
    }
    const auto spool_id = spool_.lane(lane).spool_id();
    if (next->what == delivery::Send::What::gone) {
        ports_.report("spool_gone", fmt::format("{}: entries {} to {} are no longer held", delivery::name_of(lane),
                                                next->from, next->gone_last));
        link_.sent(lane, next->gone_last, 0);
        connection_->write(gone_of(*next, spool_id));
        return true;
    }
    if (!is_due(*next, now)) {
        return false;
    }
    const std::size_t room = limits_.max_batch_bytes;
    auto piece = spool_.read(lane, next->from,
                             {.max_entries = std::min<std::size_t>(settings_.batch_entries, limits_.max_batch_entries),
                              .max_payload_bytes = std::min(settings_.batch_bytes, room),
                              .max_tombstone_entries = (room - 256) / 17});
    if (!piece) {
        if (piece.error().kind == spool::FileError::Kind::no_space) {
            waiting.since = now + no_space_pause;  // the end of a damaged range can be stated once there is room
            return false;
        }
        return tl::unexpected{piece.error()};
    }
    if (piece->kind == spool::Piece::Kind::damaged) {
        ports_.report("spool_damaged", fmt::format("{}: entries {} to {} cannot be read", delivery::name_of(lane),
                                                   piece->first, piece->last));
    }
    auto batch = batch_of(*next, spool_id, std::move(*piece), room);
    link_.sent(lane, batch.last, batch.raw_bytes);
    ++state_.batches_sent;
    state_.entries_sent += batch.last - next->from + 1;
    waiting = {std::nullopt, std::min(waiting.bytes_before + batch.raw_bytes, spool_.committed_bytes(lane))};
    connection_->write(std::move(batch.frame));
    return true;
}

bool Uplink::all_settled() const {
    return std::all_of(all_lanes.begin(), all_lanes.end(), [&](delivery::Lane lane) { return not_settled(lane) == 0; });
}

std::uint64_t Uplink::not_settled(delivery::Lane lane) const {
    const auto& files = spool_.lane(lane);
    const auto from = std::max(files.first(), settled_[delivery::index_of(lane)]);
    return files.last_durable() + 1 - std::min(from, files.last_durable() + 1);
}

}  // namespace mimamori::agent::uplink
