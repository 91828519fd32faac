// The gateway's half of the simulated service: carries out what GatewaySession and PartitionView say.
#include <algorithm>

#include "simulation/world.h"

namespace mimamori::simulation {

constexpr std::uint32_t rewinds_allowed = 4;  // of one lane, without a new fault; more than one was never seen

bool World::gateway_step(std::size_t index) {
    auto& gateway = gateways_[index];
    const auto partition = random_.below(gateway.partitions.size());
    switch (random_.below(9)) {
        case 0:
        case 1:
            return land(gateway, partition);
        case 2:
        case 3:
            return report(gateway, partition);
        case 4:
            return tick(gateway, partition);
        case 5:
            return handle_progress(gateway, false);
        case 6:
            return run_call(gateway);
        case 7:
            return answer_call(gateway);
        default:
            break;
    }
    if (connections_.empty()) {
        return false;
    }
    auto& connection = *connections_[random_.below(connections_.size())];
    if (!connection.agent_there && (connection.up.empty() || random_.one_in(3))) {
        note("gateway %zu notices that connection %llu is gone", connection.gateway,
             static_cast<unsigned long long>(connection.id));
        end_session(connection.id);
        return true;
    }
    return handle_up(connection);
}

Connection* World::find(std::uint64_t id) {
    const auto at =
        std::find_if(connections_.begin(), connections_.end(), [&](const auto& held) { return held->id == id; });
    return id == 0 || at == connections_.end() ? nullptr : at->get();
}

void World::end_session(std::uint64_t id) {
    std::erase_if(connections_, [&](const auto& held) { return held->id == id; });
}

void World::restart_gateway(std::size_t index) {
    for (std::size_t agent = 0; agent < agents_.size(); ++agent) {
        if (const auto* connection = find(agents_[agent].connection);
            connection != nullptr && connection->gateway == index) {
            lose_connection(agent);
        }
    }
    std::erase_if(connections_, [&](const auto& held) { return held->gateway == index; });
    auto& gateway = gateways_[index];
    if (random_.one_in(2)) {
        gateway.progress.clear();
    }
    gateway.calls.clear();
    gateway.partitions.clear();
    for (const auto& lease : database_.partitions) {
        gateway.partitions.push_back({PartitionView{database_.generation}, {}, {}});
        gateway.partitions.back().view.on_database(lease.stored.position);
    }
}

bool World::handle_up(Connection& connection) {
    if (connection.up.empty()) {
        return false;
    }
    auto& view = gateways_[connection.gateway].partitions[agents_[connection.agent].partition].view;
    auto frame = std::move(connection.up.front());
    connection.up.pop_front();
    if (!connection.session.wants_more()) {
        violate("PB: pushed back on an agent that keeps to the limits");
    }
    switch (frame.what) {
        case UpFrame::What::hello:
            carry_out(connection, connection.session.on_hello(frame.hello), nullptr);
            break;
        case UpFrame::What::range:
            frame.order = view.next_order();
            carry_out(connection, connection.session.on_batch(frame.envelope, frame.order, view.snapshot()), &frame);
            break;
        case UpFrame::What::fork:
            carry_out(connection, connection.session.on_fork_request(frame.envelope.lane, frame.envelope.spool_id),
                      nullptr);
            break;
    }
    return true;
}

DownFrame World::settled(const Connection& connection, Lane lane, const Cursor& cursor) {
    const auto& stream = database_.open({connection.agent, lane, connection.session.spool_id(lane)});
    if (cursor.next_seq > stream.cursor.next_seq) {
        violate("S5: settled above the database's cursor");
    }
    DownFrame frame;
    frame.lane = lane;
    frame.cursors.push_back({lane, connection.session.spool_id(lane), cursor});
    return frame;
}

void World::carry_out(Connection& connection, const Actions& actions, const UpFrame* frame) {
    auto& gateway = gateways_[connection.gateway];
    auto& mine = gateway.partitions[agents_[connection.agent].partition];
    const auto tell = [&](DownFrame down) {
        if (connection.agent_there) {
            connection.down.push_back(std::move(down));
        }
    };
    const auto call = [&](bool is_close, Lane lane) {
        DatabaseCall asked;
        asked.connection = connection.id;
        asked.is_close = is_close;
        asked.lane = lane;
        asked.spool_id = connection.session.spool_id(lane);
        gateway.calls.push_back(asked);
    };
    for (const auto& step : actions) {
        if (std::get_if<action::ReadCursors>(&step)) {
            call(false, Lane::urgent);
        } else if (std::get_if<action::SendHelloAck>(&step)) {
            DownFrame ack;
            ack.what = DownFrame::What::hello_ack;
            for (std::size_t lane = 0; lane < lane_count; ++lane) {
                const auto which = static_cast<Lane>(lane);
                ack.cursors.push_back(settled(connection, which, *connection.session.cursor(which)).cursors.front());
            }
            tell(std::move(ack));
        } else if (const auto* produce = std::get_if<action::Produce>(&step)) {
            frame->range->id = random16();
            mine.queue.push_back({frame->range, connection.id, produce->tag, frame->order, -1, false});
        } else if (const auto* received = std::get_if<action::SendReceived>(&step)) {
            DownFrame down;
            down.what = DownFrame::What::received;
            down.lane = received->lane;
            down.run = received->run;
            down.seq = received->last;
            tell(std::move(down));
        } else if (const auto* settle = std::get_if<action::SendSettled>(&step)) {
            tell(settled(connection, settle->lane, settle->cursor));
        } else if (const auto* rewind = std::get_if<action::SendRewind>(&step)) {
            note("gateway %zu asks connection %llu lane %zu for a rewind to %llu run %u", connection.gateway,
                 static_cast<unsigned long long>(connection.id), index_of(rewind->lane),
                 static_cast<unsigned long long>(rewind->from), rewind->run);
            ++rewinds_;
            auto& rewinds = agents_[connection.agent].rewinds[index_of(rewind->lane)];
            most_rewinds_ = std::max(most_rewinds_, ++rewinds);
            if (rewinds > rewinds_allowed) {
                violate("L2: too many rewinds of one lane without a new fault");
            }
            DownFrame down;
            down.what = DownFrame::What::rewind;
            down.lane = rewind->lane;
            down.spool_id = rewind->spool_id;
            down.seq = rewind->from;
            down.run = rewind->run;
            tell(std::move(down));
        } else if (const auto* close = std::get_if<action::CloseStream>(&step)) {
            call(true, close->lane);
        } else if (const auto* refuse = std::get_if<action::Refuse>(&step)) {
            violate("RF: an agent that keeps to the protocol is refused: " + std::string{refuse->reason});
        }
    }
}

bool World::land(Gateway& gateway, std::size_t partition) {
    auto& mine = gateway.partitions[partition];
    if (mine.queue.empty()) {
        return false;
    }
    auto produced = std::move(mine.queue.front());
    mine.queue.pop_front();
    auto& log = logs_[partition];
    produced.offset = log.end();
    log.records.push_back(produced.record);
    note("%llu..%llu of agent %zu lands at %lld of partition %zu",
         static_cast<unsigned long long>(produced.record->first),
         static_cast<unsigned long long>(produced.record->last), produced.record->stream.agent,
         static_cast<long long>(produced.offset), partition);
    mine.reports.push_back(std::move(produced));
    return true;
}

bool World::report(Gateway& gateway, std::size_t partition) {
    auto& mine = gateway.partitions[partition];
    if (mine.reports.empty()) {
        return false;
    }
    const auto report = std::move(mine.reports.front());
    mine.reports.pop_front();
    const bool passed_more = !report.failed && mine.view.on_landed(report.order, report.offset);
    if (auto* connection = find(report.connection)) {  // 0: a tick
        carry_out(*connection,
                  report.failed ? connection->session.on_delivery_failed(report.tag, mine.view.snapshot())
                                : connection->session.on_delivered(report.tag, report.offset, mine.view.snapshot()),
                  nullptr);
    }
    if (passed_more) {
        tell_partition(static_cast<std::size_t>(&gateway - gateways_.data()), partition);
    }
    return true;
}

bool World::tick(Gateway& gateway, std::size_t partition) {
    const auto index = static_cast<std::size_t>(&gateway - gateways_.data());
    auto& mine = gateway.partitions[partition];
    const bool unsettled = std::any_of(connections_.begin(), connections_.end(), [&](const auto& held) {
        return held->gateway == index && agents_[held->agent].partition == partition && held->session.has_unsettled();
    });
    if (!mine.view.tick_due(unsettled, now_ms_)) {
        return false;
    }
    if (plan_.mutant == Mutant::rewind_by_timeout) {  // what is unsettled by now is taken for passed
        for (auto& held : connections_) {
            if (held->gateway == index && agents_[held->agent].partition == partition) {
                auto late = mine.view.snapshot();
                late.passed_order = UINT64_MAX;
                late.committed.next_offset = now_ms_;
                carry_out(*held, held->session.on_partition(late), nullptr);
            }
        }
    }
    if (plan_.mutant == Mutant::no_tick) {
        return false;
    }
    auto record = std::make_shared<Record>();
    record->id = random16();
    mine.queue.push_back({record, 0, 0, mine.view.next_order(), -1, false});
    note("gateway %zu sends a tick", index);
    return true;
}

bool World::handle_progress(Gateway& gateway, bool keep) {
    if (gateway.progress.empty()) {
        return false;
    }
    const auto message = gateway.progress.front();
    if (!keep) {
        gateway.progress.pop_front();
    }
    const auto index = static_cast<std::size_t>(&gateway - gateways_.data());
    auto& view = gateway.partitions[message.partition].view;
    if (message.generation != view.snapshot().generation) {
        return true;
    }
    const bool moved = view.on_progress(message.generation, message.committed);
    for (const auto& [key, cursor] : message.streams) {
        for (auto& held : connections_) {
            if (held->gateway == index && held->agent == key.agent) {
                carry_out(*held, held->session.on_progress(key.lane, key.spool_id, cursor), nullptr);
            }
        }
    }
    if (moved) {
        tell_partition(index, message.partition);
    }
    return true;
}

void World::tell_partition(std::size_t gateway, std::size_t partition) {
    for (auto& held : connections_) {
        if (held->gateway == gateway && agents_[held->agent].partition == partition && held->session.has_unsettled()) {
            carry_out(*held, held->session.on_partition(gateways_[gateway].partitions[partition].view.snapshot()),
                      nullptr);
        }
    }
}

// The database does what was asked; the answer is still on its way.
bool World::run_call(Gateway& gateway) {
    const auto asked =
        std::find_if(gateway.calls.begin(), gateway.calls.end(), [](const auto& call) { return !call.done; });
    if (asked == gateway.calls.end()) {
        return false;
    }
    const auto* connection = find(asked->connection);
    if (connection == nullptr && random_.one_in(2)) {
        gateway.calls.erase(asked);  // nobody waits for it
        return true;
    }
    asked->done = true;
    if (connection == nullptr) {
        return true;
    }
    asked->position = database_.partitions[agents_[connection->agent].partition].stored.position;
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
        const auto which = static_cast<Lane>(lane);
        if (asked->is_close && which != asked->lane) {
            continue;
        }
        auto& stream = database_.open({connection->agent, which, connection->session.spool_id(which)});
        if (asked->is_close) {
            stream.cursor.status = StreamStatus::closed;
        }
        asked->cursors[lane] = stream.cursor;
    }
    return true;
}

bool World::answer_call(Gateway& gateway) {
    const auto asked =
        std::find_if(gateway.calls.begin(), gateway.calls.end(), [](const auto& call) { return call.done; });
    if (asked == gateway.calls.end()) {
        return false;
    }
    const auto call = *asked;
    gateway.calls.erase(asked);
    auto* connection = find(call.connection);
    if (connection == nullptr) {
        return true;
    }
    auto& view = gateway.partitions[agents_[connection->agent].partition].view;
    if (call.is_close) {
        carry_out(*connection,
                  connection->session.on_stream_closed(call.lane, call.spool_id, *call.cursors[index_of(call.lane)]),
                  nullptr);
        return true;
    }
    view.on_database(call.position);
    if (connection->session.greeted() && random_.one_in(20)) {
        connection->session.on_cursors_unavailable();
        return true;
    }
    carry_out(*connection, connection->session.on_cursors_read(call.cursors, view.snapshot()), nullptr);
    return true;
}

}  // namespace mimamori::simulation
