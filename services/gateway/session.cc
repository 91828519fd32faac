// What a shard does with one session: frames in, the state machine's actions out.
#include "gateway/session.h"

#include <algorithm>
#include <variant>

#include <fmt/format.h>

#include "gateway/events.h"
#include "store/alarms.h"

namespace mimamori::gateway {
namespace {

using adapters::grpc::CloseCode;
namespace action = delivery::action;

constexpr std::uint64_t tell_at_bytes = 65'536;  // far below any window
constexpr std::uint32_t tell_at_batches = 16;

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

}  // namespace

void Shard::do_open(Newcomer& newcomer) {
    if (newcomer.stream->ended()) {
        return;  // it will not be closed a second time
    }
    if (const auto older = by_rental_.find(newcomer.appliance.rental.value); older != by_rental_.end()) {
        auto& old = *older->second;
        context_.events.emit(session_replaced, {{"rental", old.origin.rental.value}});
        const auto stream = old.stream;
        tell_presence(old, pb::Presence::DISCONNECTED);
        forget(old);
        stream->finish(CloseCode::replaced, "the appliance has connected again");
    }
    auto owned = std::make_unique<Session>();
    auto& session = *owned;
    session.stream = newcomer.stream;
    session.origin = {newcomer.appliance.customer, newcomer.appliance.site, newcomer.appliance.rental,
                      newcomer.appliance.appliance};
    session.partition = newcomer.partition;
    session.machine = delivery::GatewaySession{context_.settings.session};
    session.lan_ranges = std::move(newcomer.appliance.lan_ranges);
    session.id = base::random_bytes16();
    session.clock_offset_us = newcomer.hello_at_us - newcomer.hello.agent_clock_us();
    session.heard_ms = steady_ms();
    session.heard_bytes = session.stream->received_bytes();
    sessions_.emplace(session.stream->id(), std::move(owned));
    by_rental_[session.origin.rental.value] = &session;
    context_.sessions.Increment();
    context_.events.emit(session_opened, {{"rental", session.origin.rental.value}});
    tell_presence(session, pb::Presence::CONNECTED, nullptr, &newcomer.hello);

    auto& mine = partition(session.partition);
    mine.view.on_database(newcomer.states.position);
    delivery::GatewaySession::LaneCursors cursors;
    for (std::size_t i = 0; i < cursors.size(); ++i) {
        if (const auto& state = newcomer.states.lanes[i]) {
            cursors[i] = state->cursor;
            session.stream_ids[i] = state->id;
        }
    }
    for (const auto& lane : newcomer.lanes) {
        session.hello_last[index_of(lane.lane)] = lane.last;
    }
    for (const auto& step : session.machine.on_hello(newcomer.lanes)) {
        if (const auto* refusal = std::get_if<action::Refuse>(&step)) {
            refuse(session, refusal->reason);
            return;
        }
    }
    perform(session, session.machine.on_cursors_read(cursors, mine.view.snapshot()));
    read_on(session);
}

void Shard::do_frame(Session& session, pb::AgentFrame& frame) {
    session.heard_ms = steady_ms();
    session.heard_bytes = session.stream->received_bytes();
    pb::LogRecord record;
    switch (frame.frame_case()) {
        case pb::AgentFrame::kBatch: {
            const auto envelope = envelope_of(frame.batch());
            *record.mutable_batch() = std::move(*frame.mutable_batch());
            on_batch(session, envelope, record);
            break;
        }
        case pb::AgentFrame::kGone: {
            const auto envelope = envelope_of(frame.gone());
            *record.mutable_gone() = std::move(*frame.mutable_gone());
            on_batch(session, envelope, record);
            break;
        }
        case pb::AgentFrame::kFork: {
            const auto fork = fork_of(frame.fork());
            if (const auto* malformed = std::get_if<Malformed>(&fork)) {
                refuse(session, malformed->reason);
                break;
            }
            const auto& asked = std::get<Fork>(fork);
            perform(session, session.machine.on_fork_request(asked.lane, asked.spool_id));
            break;
        }
        case pb::AgentFrame::kHeartbeat:
            on_heartbeat(session, frame.heartbeat());
            break;
        case pb::AgentFrame::kHello:
            refuse(session, "a second Hello on one connection");
            break;
        case pb::AgentFrame::FRAME_NOT_SET:
            refuse(session, "an empty frame");
            break;
    }
    settle_accounts(session);
    if (session.finishing_ms == 0) {
        read_on(session);
    }
}

void Shard::on_batch(Session& session, const Parsed<delivery::Envelope>& parsed, pb::LogRecord& record) {
    if (const auto* malformed = std::get_if<Malformed>(&parsed)) {
        refuse(session, malformed->reason);
        return;
    }
    const auto& envelope = std::get<delivery::Envelope>(parsed);
    auto& mine = partition(session.partition);
    const auto order = mine.view.next_order();
    for (const auto& step : session.machine.on_batch(envelope, order, mine.view.snapshot())) {
        const auto* produce = std::get_if<action::Produce>(&step);
        if (produce == nullptr) {
            perform(session, {step});
            continue;
        }
        session.untold_bytes += std::max(envelope.raw_bytes, envelope.wire_bytes);
        ++session.untold_batches;
        note_assigned(session, envelope.lane);
        record.set_stream_id(session.stream_ids[index_of(envelope.lane)].value);
        record.set_received_at_us(base::to_us(context_.clock.now()));
        record.set_clock_offset_us(session.clock_offset_us);
        mine.under_way.emplace(order, Partition::UnderWay{session.stream->id(), produce->tag});
        mine.ahead.emplace_back(order, session.stream->id());
        context_.batches_received.Increment();
        if (auto written = context_.log.write(session.partition, order, session.origin, record); !written) {
            mine.under_way.erase(order);
            context_.events.emit(delivery_failed, {{"rental", session.origin.rental.value}, {"detail", written.error().what}});
            perform(session, session.machine.on_delivery_failed(produce->tag, mine.view.snapshot()));
        }
    }
}

void Shard::on_heartbeat(Session& session, const pb::Heartbeat& heartbeat) {
    const auto now_us = base::to_us(context_.clock.now());
    session.clock_offset_us = now_us - heartbeat.agent_clock_us();
    pb::GatewayFrame out;
    out.mutable_heartbeat_ack()->set_gateway_clock_us(now_us);
    out.mutable_heartbeat_ack()->set_agent_clock_us(heartbeat.agent_clock_us());
    session.stream->write(std::move(out));
    tell_presence(session, pb::Presence::HEARTBEAT, &heartbeat);
}

// Produce and Drop are on_batch's own; the rest is done here.
void Shard::perform(Session& session, const delivery::Actions& actions) {
    for (const auto& step : actions) {
        pb::GatewayFrame frame;
        std::visit(Overloaded{
                       [&](const action::ReadCursors&) { read_cursors(session); },
                       [&](const action::SendHelloAck&) { send_hello_ack(session); },
                       [&](const action::Produce&) {},
                       [&](const action::Drop&) {},
                       [&](const action::SendReceived& received) {
                           session.received[index_of(received.lane)] = received;
                           if (untold_.insert(session.stream->id()).second) {
                               session.received_ms = steady_ms();
                           }
                       },
                       [&](const action::SendSettled& settled) {
                           session.settled[index_of(settled.lane)] = settled;
                           untold_.insert(session.stream->id());
                           if (settled.cursor.status == delivery::StreamStatus::closed || !may_wait(session)) {
                               tell_watermarks(session);
                           }
                       },
                       [&](const action::SendRewind& rewind) {
                           tell_watermarks(session);  // in the order in which the machine said it
                           context_.events.emit(rewind_asked, {{"rental", session.origin.rental.value},
                                                               {"lane", delivery::name_of(rewind.lane)},
                                                               {"from", rewind.from}});
                           frame.mutable_rewind()->set_lane(static_cast<pb::Lane>(rewind.lane));
                           frame.mutable_rewind()->set_spool_id(bytes_of(rewind.spool_id));
                           frame.mutable_rewind()->set_from(rewind.from);
                           frame.mutable_rewind()->set_run(rewind.run);
                       },
                       [&](const action::CloseStream& close) { close_stream(session, close.lane); },
                       [&](const action::Refuse& refusal) { refuse(session, refusal.reason); },
                   },
                   step);
        if (frame.frame_case() != pb::GatewayFrame::FRAME_NOT_SET) {
            session.stream->write(std::move(frame));
        }
    }
}

// A frame for each batch would cost as much as a small batch does, so the watermarks of a session are told once an
// interval, the newest of each lane. What is stored stays in the agent's spool a little longer; nobody waits for it but
// an agent whose window is filling.
bool Shard::may_wait(const Session& session) const {
    return session.untold_bytes < tell_at_bytes && session.untold_batches < tell_at_batches &&
           steady_ms() - session.told_ms < context_.settings.tell_interval.count();
}

// What is on Kafka will soon be stored, and then that is told instead.
bool Shard::is_due(const Session& session, std::int64_t now_ms) const {
    const auto interval = context_.settings.tell_interval.count();
    const bool settled = std::any_of(session.settled.begin(), session.settled.end(), [](const auto& one) { return one.has_value(); });
    return now_ms - session.told_ms >= interval && (settled || now_ms - session.received_ms >= interval);
}

void Shard::tell_watermarks(Session& session) {
    untold_.erase(session.stream->id());
    session.told_ms = steady_ms();
    session.untold_bytes = 0;
    session.untold_batches = 0;
    for (std::size_t i = 0; i < delivery::lane_count; ++i) {
        const auto settled = std::exchange(session.settled[i], std::nullopt);
        const auto received = std::exchange(session.received[i], std::nullopt);
        if (settled) {
            pb::GatewayFrame frame;
            *frame.mutable_settled() = settled_of(settled->lane, settled->spool_id, settled->cursor);
            session.stream->write(std::move(frame));
        }
        if (received && (!settled || received->last >= settled->cursor.next_seq)) {
            pb::GatewayFrame frame;
            frame.mutable_received()->set_lane(static_cast<pb::Lane>(received->lane));
            frame.mutable_received()->set_run(received->run);
            frame.mutable_received()->set_last(received->last);
            session.stream->write(std::move(frame));
        }
    }
}

void Shard::send_hello_ack(Session& session) {
    const auto& limits = context_.settings.session;
    pb::GatewayFrame frame;
    auto& ack = *frame.mutable_hello_ack();
    ack.set_generation(bytes_of(context_.generation));
    ack.set_gateway_clock_us(base::to_us(context_.clock.now()));
    ack.mutable_limits()->set_max_batch_entries(limits.max_batch_entries);
    ack.mutable_limits()->set_max_batch_bytes(limits.max_batch_bytes);
    ack.mutable_limits()->set_max_unsettled_bytes_per_lane(limits.max_unsettled_bytes_per_lane);
    ack.mutable_limits()->set_heartbeat_seconds(static_cast<std::uint32_t>(context_.settings.heartbeat.count() / 1000));
    for (auto& range : std::exchange(session.lan_ranges, {})) {
        ack.add_lan_ranges(std::move(range));
    }
    for (const auto lane : {delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup}) {
        if (session.machine.has_lane(lane) && session.machine.cursor(lane)) {
            *ack.add_lanes() = settled_of(lane, session.machine.spool_id(lane), *session.machine.cursor(lane));
        }
    }
    session.stream->write(std::move(frame));
}

// Asks PostgreSQL where the streams stand; the answer comes back to this shard.
void Shard::read_cursors(Session& session) {
    store::SpoolIds spools;
    for (const auto lane : {delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup}) {
        if (session.machine.has_lane(lane)) {
            spools[index_of(lane)] = session.machine.spool_id(lane);
        }
    }
    const auto back = [this, id = session.stream->id(), number = session.partition](base::Expected<store::StreamStates> states) {
        post([this, id, number, states = std::move(states)] {
            auto* found = find(id);
            if (found == nullptr) {
                return;
            }
            if (!states) {
                context_.events.emit(database_call_failed, {{"call", "read_streams"}, {"detail", states.error().what}});
                found->machine.on_cursors_unavailable();
                return;
            }
            auto& mine = partition(number);
            mine.view.on_database(states->position);
            delivery::GatewaySession::LaneCursors cursors;
            for (std::size_t i = 0; i < cursors.size(); ++i) {
                if (states->lanes[i]) {
                    cursors[i] = states->lanes[i]->cursor;
                }
            }
            perform(*found, found->machine.on_cursors_read(cursors, mine.view.snapshot()));
            settle_accounts(*found);
        });
    };
    const bool queued = context_.workers.submit(
        [back, spools, rental = session.origin.rental, number = session.partition](base::Expected<store::Connection*> connection) {
            back(connection ? store::read_streams(**connection, rental, spools, number) : tl::unexpected{connection.error()});
        });
    if (!queued) {
        session.machine.on_cursors_unavailable();
    }
}

void Shard::close_stream(Session& session, delivery::Lane lane) {
    const auto stream_id = session.stream_ids[index_of(lane)];
    context_.events.emit(stream_forked, {{"rental", session.origin.rental.value}, {"stream", stream_id.value}});
    const auto back = [this, id = session.stream->id(), lane,
                       spool_id = session.machine.spool_id(lane)](base::Expected<delivery::Cursor> cursor) {
        post([this, id, lane, spool_id, cursor = std::move(cursor)] {
            auto* found = find(id);
            if (found == nullptr) {
                return;
            }
            if (!cursor) {  // the agent waits for the answer: it asks again on its next connection
                context_.events.emit(database_call_failed, {{"call", "close_forked_stream"}, {"detail", cursor.error().what}});
                found->finishing_ms = steady_ms();
                found->stream->finish(CloseCode::unavailable, "the stream could not be closed now");
                return;
            }
            perform(*found, found->machine.on_stream_closed(lane, spool_id, *cursor));
            settle_accounts(*found);
        });
    };
    const bool queued = context_.workers.submit([back, stream_id](base::Expected<store::Connection*> connection) {
        back(connection ? store::close_forked_stream(**connection, stream_id) : tl::unexpected{connection.error()});
    });
    if (!queued) {
        back(base::failure(base::FailureKind::retry, "too much waits for PostgreSQL"));
    }
}

// The first batch of a lane shows that the agent's H agreed; only then what Hello said of its end is worth keeping.
void Shard::note_assigned(Session& session, delivery::Lane lane) {
    const auto last = std::exchange(session.hello_last[index_of(lane)], 0);
    if (last == 0) {
        return;
    }
    // Left out if too much waits: it only sharpens what is said after a fork.
    (void)context_.workers.submit(
        [stream = session.stream_ids[index_of(lane)], last](base::Expected<store::Connection*> connection) {
            if (connection) {
                (void)store::note_assigned(**connection, stream, last);
            }
        });
}

void Shard::refuse(Session& session, std::string_view reason) {
    context_.events.emit(envelope_violation, {{"rental", session.origin.rental.value}, {"detail", reason}});
    session.finishing_ms = steady_ms();
    session.stream->finish(CloseCode::bad_request, std::string{reason});
    (void)context_.workers.submit(
        [rental = session.origin.rental, detail = std::string{reason}](base::Expected<store::Connection*> connection) {
            if (connection) {
                (void)store::raise_alarm(**connection, envelope_violation.id, fmt::format("rental {}", rental.value),
                                         detail);
            }
        });
}

void Shard::tell_presence(const Session& session, pb::Presence::Kind kind, const pb::Heartbeat* heartbeat,
                          const pb::Hello* hello) {
    pb::Presence presence;
    presence.set_rental_id(session.origin.rental.value);
    presence.set_appliance_id(session.origin.appliance.value);
    presence.set_customer_id(session.origin.customer.value);
    presence.set_gateway(context_.settings.name);
    presence.set_session_id(bytes_of(session.id));
    presence.set_kind(kind);
    presence.set_at_us(base::to_us(context_.clock.now()));
    presence.set_clock_offset_us(session.clock_offset_us);
    if (hello != nullptr) {
        presence.set_agent_version(hello->agent_version());
        presence.set_firmware_version(hello->firmware_version());
        presence.set_appliance_model(hello->appliance_model());
    }
    if (heartbeat != nullptr) {
        *presence.mutable_heartbeat() = *heartbeat;
    }
    context_.log.write_presence(presence);
}

}  // namespace mimamori::gateway
