// The agent's half of the simulated service: spooling, sending, and doing what AgentLink says.
#include "simulation/world.h"

namespace mimamori::simulation {
namespace {

constexpr std::uint32_t max_batch_entries = 3;
constexpr std::uint64_t bytes_per_entry = 10;

UpFrame frame_of(const SimulatedSpool& spool, std::size_t agent, const Send& send, Seq last) {
    auto range = std::make_shared<Record>();
    range->stream = {agent, send.lane, spool.spool_id()};
    range->first = send.from;
    range->last = last;
    range->h_before = spool.h_before(send.from);
    range->h_after = spool.h_before(last + 1);
    const auto form = spool.form(send.from);
    if (send.what == Send::What::gone) {
        range->kind = Record::Kind::gone;
        range->h_after = send.h;
    } else if (form == SimulatedSpool::Form::damaged) {
        range->kind = Record::Kind::damaged;
    } else {
        range->kind = form == SimulatedSpool::Form::whole ? Record::Kind::entries : Record::Kind::tombstone;
    }
    for (Seq seq = send.from; seq <= last; ++seq) {
        range->entries.push_back(spool.entry(seq));
        if (range->kind == Record::Kind::entries || range->kind == Record::Kind::tombstone) {
            range->digests.push_back(spool.entry(seq).digest);
        }
    }
    UpFrame frame;
    frame.what = UpFrame::What::range;
    const Seq size = last - send.from + 1;
    frame.envelope.kind = range->kind == Record::Kind::entries ? Envelope::Kind::entries
                          : range->kind == Record::Kind::gone  ? Envelope::Kind::gone
                                                               : Envelope::Kind::tombstone;
    frame.envelope.lane = send.lane;
    frame.envelope.spool_id = spool.spool_id();
    frame.envelope.run = send.run;
    frame.envelope.first = send.from;
    frame.envelope.last = last;
    frame.envelope.count = static_cast<std::uint32_t>(size);
    frame.envelope.raw_bytes = (range->kind == Record::Kind::gone ? 1 : size) * bytes_per_entry;
    frame.envelope.wire_bytes = frame.envelope.raw_bytes;
    frame.range = std::move(range);
    return frame;
}

}  // namespace

Agent::Agent() : link{{&spools[0], &spools[1], &spools[2]}} {}

bool World::agent_step(std::size_t index, bool calm) {
    auto& agent = agents_[index];
    switch (random_.below(7)) {
        case 0:
            return !calm && append(index);
        case 1: {
            auto& spool = agent.spools[random_.below(agent.lanes)];
            if (!spool.unsynced()) {
                return false;
            }
            for (Seq seq = spool.first(); seq <= spool.last(); ++seq) {
                accepted_[spool.entry(seq).content] = 1;
            }
            spool.sync();
            note("agent %zu syncs to %llu", index, static_cast<unsigned long long>(spool.last()));
            return true;
        }
        case 2:
            return agent.connection == 0 && connect(index);
        case 3:
        case 4:
            return send(index);
        default:
            return handle_down(index);
    }
}

bool World::append(std::size_t index) {
    if (contents_ >= most_contents_) {
        return false;
    }
    const auto lane = random_.below(agents_[index].lanes);
    Entry entry;
    entry.content = contents_++;
    entry.kind = random_.one_in(6) ? EntryKind::rejected : lane == 2 ? EntryKind::block : EntryKind::event;
    entry.digest = digest_of(entry.kind, {reinterpret_cast<const char*>(&entry.content), sizeof entry.content});
    accepted_.push_back(0);
    not_promised_.push_back(0);
    auto& spool = agents_[index].spools[lane];
    spool.append(entry);
    note("agent %zu lane %llu numbers content %u as %llu", index, static_cast<unsigned long long>(lane), entry.content,
         static_cast<unsigned long long>(spool.last()));
    return true;
}

bool World::connect(std::size_t index) {
    auto& agent = agents_[index];
    auto connection = std::make_unique<Connection>();
    connection->id = ++connection_ids_;
    connection->agent = index;
    connection->gateway = random_.below(gateways_.size());
    connection->session = GatewaySession{SessionLimits{max_batch_entries, max_batch_entries * bytes_per_entry, 60, 4}};
    UpFrame hello;
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
        const auto& spool = agent.spools[lane];
        hello.hello.push_back({static_cast<Lane>(lane), spool.spool_id(), spool.first(), spool.last_durable()});
    }
    connection->up.push_back(std::move(hello));
    agent.connection = connection->id;
    agent.link.connected();
    note("agent %zu connects to gateway %zu as %llu", index, connection->gateway,
         static_cast<unsigned long long>(connection->id));
    connections_.push_back(std::move(connection));
    return true;
}

bool World::send(std::size_t index) {
    auto& agent = agents_[index];
    auto* connection = find(agent.connection);
    const auto send = agent.link.next();
    if (connection == nullptr || !send || connection->up.size() >= 4) {
        return false;
    }
    const auto& spool = agent.spools[index_of(send->lane)];
    Seq last = send->gone_last;
    if (send->what == Send::What::batch) {
        const auto form = spool.form(send->from);
        last = send->from;
        if (form == SimulatedSpool::Form::whole) {
            const Seq most = send->from + random_.below(max_batch_entries);
            while (last < most && last < spool.last_durable() && spool.form(last + 1) == form) {
                ++last;
            }
        } else {
            last = spool.range_last(send->from);
        }
    }
    auto frame = frame_of(spool, index, *send, last);
    note("agent %zu sends lane %zu run %u %llu..%llu kind %d", index, index_of(send->lane), send->run,
         static_cast<unsigned long long>(send->from), static_cast<unsigned long long>(last),
         static_cast<int>(frame.range->kind));
    agent.link.sent(send->lane, last, frame.envelope.wire_bytes);
    connection->up.push_back(std::move(frame));
    return true;
}

// An agent with a damaged range takes the gateway's H inside it, or else sends the whole range.
void World::adopt(std::size_t index, const LaneCursor& word) {
    auto& agent = agents_[index];
    auto& spool = agent.spools[index_of(word.lane)];
    const Seq next = word.cursor.next_seq;
    if (!agent.adopts || word.spool_id != spool.spool_id() || next <= spool.first() || next > spool.last_durable() ||
        spool.range_start(next) == next) {
        return;
    }
    if (agent.forkable) {  // of another history, maybe
        database_.open({index, word.lane, word.spool_id}).unverified = true;
    }
    spool.adopt(next, word.cursor.h);
}

// What the agent is told H is: a mutant's gateway says nothing of it.
Hash128 World::word_of(std::size_t index, const LaneCursor& word) const {
    const auto& spool = agents_[index].spools[index_of(word.lane)];
    const Seq next = word.cursor.next_seq;
    const bool held = next >= spool.first() && next <= spool.last_durable() + 1;
    return plan_.mutant == Mutant::no_hash_in_settled && held ? spool.h_before(next) : word.cursor.h;
}

bool World::handle_down(std::size_t index) {
    auto& agent = agents_[index];
    auto* connection = find(agent.connection);
    if (connection == nullptr || connection->down.empty()) {
        return false;
    }
    const auto frame = std::move(connection->down.front());
    connection->down.pop_front();
    note("agent %zu hears frame %d lane %zu run %u seq %llu", index, static_cast<int>(frame.what), index_of(frame.lane),
         frame.run,
         static_cast<unsigned long long>(frame.cursors.empty() ? frame.seq : frame.cursors[0].cursor.next_seq));
    switch (frame.what) {
        case DownFrame::What::hello_ack: {
            agent.link.set_limits({max_batch_entries, max_batch_entries * bytes_per_entry, 60, 4});
            std::vector<LaneAction> actions;
            for (auto word : frame.cursors) {
                word.cursor.h = word_of(index, word);
                adopt(index, word);
                actions.push_back(agent.link.on_hello_ack(word));
            }
            for (const auto& action : actions) {
                obey(index, action);
            }
            break;
        }
        case DownFrame::What::settled: {
            auto word = frame.cursors.front();
            word.cursor.h = word_of(index, word);
            adopt(index, word);
            obey(index, agent.link.on_settled(word));
            break;
        }
        case DownFrame::What::received:
            agent.link.on_received(frame.lane, frame.run, frame.seq);
            if (const auto& spool = agent.spools[index_of(frame.lane)]; plan_.mutant == Mutant::freed_on_received &&
                                                                        frame.seq <= spool.last_durable() &&
                                                                        frame.seq + 1 >= spool.first()) {
                obey(index, agent.link.on_settled(
                                {frame.lane, spool.spool_id(), {frame.seq + 1, spool.h_before(frame.seq + 1), {}}}));
            }
            break;
        case DownFrame::What::rewind:
            agent.link.on_rewind(frame.lane, frame.spool_id, frame.seq, frame.run);
            break;
    }
    return true;
}

void World::obey(std::size_t index, const LaneAction& action) {
    auto& agent = agents_[index];
    auto& spool = agent.spools[index_of(action.lane)];
    switch (action.what) {
        case LaneAction::What::nothing:
            break;
        case LaneAction::What::free:
            note("agent %zu lane %zu frees before %llu", index, index_of(action.lane),
                 static_cast<unsigned long long>(action.free_before));
            check_freed(index, action.lane, action.free_before);
            spool.free_before(action.free_before);
            break;
        case LaneAction::What::ask_fork:
            note("agent %zu lane %zu has forked", index, index_of(action.lane));
            if (!agent.forkable) {
                violate("FQ: an agent whose spool was never restored takes its stream for a fork");
            }
            if (plan_.mutant == Mutant::fork_moves_before_close) {
                spool = spool.moved(action.lane, random16(), spool.first(), SimulatedSpool::Marks::none);
                lose_connection(index);
            } else if (auto* connection = find(agent.connection)) {
                UpFrame fork;
                fork.what = UpFrame::What::fork;
                fork.envelope.lane = action.lane;
                fork.envelope.spool_id = spool.spool_id();
                connection->up.push_back(std::move(fork));
            }
            break;
        case LaneAction::What::move_spool:
            note("agent %zu lane %zu moves from %llu", index, index_of(action.lane),
                 static_cast<unsigned long long>(action.move_from));
            if (!agent.forkable) {
                violate("FQ: a stream was closed though no spool was restored");
            }
            for (Seq seq = action.move_from; seq <= spool.last(); ++seq) {
                accepted_[spool.entry(seq).content] = 1;
            }
            spool = spool.moved(action.lane, random16(), action.move_from,
                                plan_.mutant == Mutant::last_place_marked ? SimulatedSpool::Marks::last_place
                                                                          : SimulatedSpool::Marks::first_place);
            lose_connection(index);
            break;
    }
}

// The gateway notices in a step of its own; until then it goes on with what it has.
void World::lose_connection(std::size_t index) {
    auto& agent = agents_[index];
    if (auto* connection = find(agent.connection)) {
        connection->agent_there = false;
        connection->down.clear();
    }
    agent.connection = 0;
    agent.link.disconnected();
}

}  // namespace mimamori::simulation
