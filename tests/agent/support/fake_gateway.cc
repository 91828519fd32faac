#include "agent/support/fake_gateway.h"

#include <zstd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "domain/delivery/chain.h"

namespace mimamori::test {
namespace {

using namespace delivery::action;
using adapters::grpc::CloseCode;

delivery::Hash128 hash_of(const std::string& bytes) {
    delivery::Hash128 out{};
    if (bytes.size() != out.size()) {
        throw std::runtime_error("a hash or an id is not of 16 bytes");
    }
    std::memcpy(out.data(), bytes.data(), out.size());
    return out;
}

std::string bytes_of(const delivery::Hash128& value) {
    return {reinterpret_cast<const char*>(value.data()), value.size()};
}

std::int64_t now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

pb::Settled settled_of(delivery::Lane lane, const delivery::SpoolId& id, const delivery::Cursor& cursor) {
    pb::Settled out;
    out.set_lane(static_cast<pb::Lane>(lane));
    out.set_spool_id(bytes_of(id));
    out.set_next_seq(cursor.next_seq);
    out.set_h(bytes_of(cursor.h));
    out.set_status(static_cast<pb::StreamStatus>(cursor.status));
    return out;
}

pb::EntryList unpack(const pb::PackedEntries& packed) {
    std::string raw = packed.data();
    if (packed.zstd()) {
        raw.assign(packed.raw_size(), '\0');
        const auto size = ZSTD_decompress(raw.data(), raw.size(), packed.data().data(), packed.data().size());
        if (size != packed.raw_size()) {
            throw std::runtime_error("the declared size is not the unpacked one");
        }
    }
    pb::EntryList list;
    if (!list.ParseFromString(raw) || list.entries_size() != static_cast<int>(packed.count())) {
        throw std::runtime_error("not an entry list of the declared count");
    }
    return list;
}

delivery::Envelope envelope_of(const pb::AgentFrame& frame) {
    delivery::Envelope out;
    if (frame.has_gone()) {
        const auto& gone = frame.gone();
        out = {delivery::Envelope::Kind::gone,
               static_cast<delivery::Lane>(gone.lane()),
               hash_of(gone.spool_id()),
               gone.run(),
               gone.first(),
               gone.last(),
               0,
               0,
               gone.ByteSizeLong()};
        return out;
    }
    const auto& batch = frame.batch();
    const auto kind = batch.has_tombstone() ? delivery::Envelope::Kind::tombstone : delivery::Envelope::Kind::entries;
    return {kind,
            static_cast<delivery::Lane>(batch.lane()),
            hash_of(batch.spool_id()),
            batch.run(),
            batch.first(),
            batch.last(),
            batch.entries().count(),
            batch.entries().raw_size(),
            batch.ByteSizeLong()};
}

}  // namespace

FakeGateway::FakeGateway(const TestAuthority& authority, const TemporaryFolder& folder, int port) {
    const auto pem = authority.issue_server();
    adapters::grpc::ServerSettings settings;
    settings.listen = "127.0.0.1:" + std::to_string(port);
    settings.certificate_file = folder.write("gateway.pem", pem.certificate);
    settings.key_file = folder.write("gateway.key", pem.private_key);
    settings.ca_file = folder.write("gateway-ca.pem", authority.certificate());
    auto server = adapters::grpc::UplinkServer::make(settings, deny_list_, *this);
    if (!server) {
        throw std::runtime_error(server.error().what);
    }
    server_ = std::move(*server);
    if (auto started = server_->start(); !started) {
        throw std::runtime_error(started.error().what);
    }
}

FakeGateway::~FakeGateway() {
    server_->stop(std::chrono::milliseconds{0});
}

void FakeGateway::on_opened(const std::shared_ptr<adapters::grpc::Stream>& stream) {
    const std::lock_guard lock{mutex_};
    sessions_.emplace(stream->id(), Session{stream, delivery::GatewaySession{limits}});
    stream->read_next();
}

void FakeGateway::on_closed(adapters::grpc::Stream& stream) {
    const std::lock_guard lock{mutex_};
    sessions_.erase(stream.id());
    changed_.notify_all();
}

void FakeGateway::on_frame(adapters::grpc::Stream& stream, pb::AgentFrame&& frame) {
    const std::lock_guard lock{mutex_};
    const bool is_batch = frame.has_batch();
    auto& session = sessions_.at(stream.id());
    try {
        switch (frame.frame_case()) {
            case pb::AgentFrame::kHello:
                on_hello(session, frame.hello());
                break;
            case pb::AgentFrame::kBatch:
            case pb::AgentFrame::kGone:
                on_batch(session, stream.id(), std::move(frame));
                break;
            case pb::AgentFrame::kFork:
                perform(session, session.machine.on_fork_request(static_cast<delivery::Lane>(frame.fork().lane()),
                                                                 hash_of(frame.fork().spool_id())));
                break;
            case pb::AgentFrame::kHeartbeat: {
                heartbeats_.push_back(frame.heartbeat());
                pb::GatewayFrame out;
                out.mutable_heartbeat_ack()->set_gateway_clock_us(now_us() + clock_ahead_us);
                out.mutable_heartbeat_ack()->set_agent_clock_us(frame.heartbeat().agent_clock_us());
                stream.write(std::move(out));
                break;
            }
            case pb::AgentFrame::FRAME_NOT_SET:
                refuse(session, "an empty frame");
                break;
        }
    } catch (const std::exception& error) {
        refuse(session, error.what());
    }
    changed_.notify_all();
    if (reads_on || !is_batch) {
        stream.read_next();
    }
}

void FakeGateway::on_hello(Session& session, const pb::Hello& hello) {
    hellos_.push_back(hello);
    if (to_refuse_ > 0) {
        --to_refuse_;
        session.stream->finish(CloseCode::not_allowed, "made to refuse");
        return;
    }
    if (!answers_hello) {
        return;
    }
    std::vector<delivery::HelloLane> lanes;
    for (const auto& state : hello.lanes()) {
        const auto lane = static_cast<delivery::Lane>(state.lane());
        const auto id = hash_of(state.spool_id());
        lanes.push_back({lane, id, state.first(), state.last()});
        if (streams_
                .try_emplace(
                    id,
                    StoredStream{
                        lane, {1, delivery::chain_origin(lane, id), delivery::StreamStatus::open}, {}, {}, {}, {}})
                .second) {
            opened_.push_back(id);
        }
    }
    perform(session, session.machine.on_hello(lanes));
}

delivery::GatewaySession::LaneCursors FakeGateway::cursors_of(const Session& session) const {
    delivery::GatewaySession::LaneCursors out;
    for (const auto lane : {delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup}) {
        if (session.machine.has_lane(lane)) {
            out[index_of(lane)] = streams_.at(session.machine.spool_id(lane)).cursor;
        }
    }
    return out;
}

void FakeGateway::on_batch(Session& session, std::uint64_t id, pb::AgentFrame&& frame) {
    if (frame.has_batch()) {
        batches_.push_back(frame.batch());
    }
    const auto envelope = envelope_of(frame);
    const auto order = partition_.next_order();
    for (const auto& step : session.machine.on_batch(envelope, order, partition_.snapshot())) {
        if (const auto* produce = std::get_if<Produce>(&step)) {
            const auto offset = static_cast<std::int64_t>(log_.size());
            const bool lost = to_lose_ > 0;
            to_lose_ -= lost ? 1 : 0;
            log_.push_back({id, envelope.lane, lost ? pb::AgentFrame{} : std::move(frame)});
            (void)partition_.on_landed(order, offset);
            perform(session, session.machine.on_delivered(produce->tag, offset, partition_.snapshot()));
        } else {
            perform(session, {step});
        }
    }
    apply_log();
}

// As a correlator would: record by record, then progress.
void FakeGateway::apply_log() {
    while (!holding_ && applied_ < log_.size()) {
        const auto& record = log_[applied_++];
        (void)partition_.on_progress(partition_.snapshot().generation, {0, static_cast<std::int64_t>(applied_)});
        apply(record.frame);
        for (auto& [id, session] : sessions_) {
            for (const auto lane : {delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup}) {
                if (session.machine.has_lane(lane)) {
                    const auto& spool_id = session.machine.spool_id(lane);
                    perform(session, session.machine.on_progress(lane, spool_id, streams_.at(spool_id).cursor));
                }
            }
            perform(session, session.machine.on_partition(partition_.snapshot()));
        }
    }
}

void FakeGateway::apply(const pb::AgentFrame& frame) {
    if (frame.has_gone()) {
        auto& stream = streams_.at(hash_of(frame.gone().spool_id()));
        delivery::RecordBody body{.kind = delivery::RecordBody::Kind::gone,
                                  .first = frame.gone().first(),
                                  .last = frame.gone().last(),
                                  .h_after = hash_of(frame.gone().h_last())};
        const auto what = decide(stream.cursor, body);
        if (what.decision == delivery::Application::Decision::apply) {
            stream.gone.emplace_back(what.from, body.last);
            stream.cursor = what.after;
        }
        return;
    }
    if (!frame.has_batch()) {
        return;  // lost
    }
    const auto& batch = frame.batch();
    auto& stream = streams_.at(hash_of(batch.spool_id()));
    delivery::RecordBody body{.first = batch.first(), .last = batch.last(), .h_before = hash_of(batch.h_before())};
    std::vector<delivery::Hash128> digests;
    pb::EntryList list;
    if (batch.has_entries()) {
        list = unpack(batch.entries());
        for (const auto& entry : list.entries()) {
            digests.push_back(delivery::digest_of(static_cast<delivery::EntryKind>(entry.kind()), entry.payload()));
        }
    } else if (batch.tombstone().digests().empty()) {
        body.kind = delivery::RecordBody::Kind::damaged;
        body.h_after = hash_of(batch.tombstone().h_after());
    } else {
        body.kind = delivery::RecordBody::Kind::tombstone;
        for (std::size_t i = 0; i < batch.tombstone().digests().size(); i += 16) {
            digests.push_back(hash_of(batch.tombstone().digests().substr(i, 16)));
        }
    }
    body.digests = digests;
    const auto what = decide(stream.cursor, body);
    using Decision = delivery::Application::Decision;
    if (what.decision == Decision::close_stream) {
        stream.cursor.status = delivery::StreamStatus::closed;
    }
    if (what.decision != Decision::apply) {
        return;
    }
    for (auto seq = what.from; seq <= body.last; ++seq) {
        const auto at = seq - body.first;
        if (body.kind == delivery::RecordBody::Kind::entries) {
            stream.entries[seq] = list.entries(static_cast<int>(at));
        } else if (body.kind == delivery::RecordBody::Kind::tombstone) {
            stream.tombstoned[seq] = {static_cast<std::uint8_t>(batch.tombstone().classes().at(at)),
                                      bytes_of(digests[at])};
        }
    }
    if (body.kind == delivery::RecordBody::Kind::damaged) {
        stream.damaged.emplace_back(what.from, body.last);
    }
    stream.cursor = what.after;
}

void FakeGateway::perform(Session& session, const delivery::Actions& actions) {
    for (const auto& step : actions) {
        pb::GatewayFrame out;
        if (std::holds_alternative<ReadCursors>(step)) {
            perform(session, session.machine.on_cursors_read(cursors_of(session), partition_.snapshot()));
        } else if (std::holds_alternative<SendHelloAck>(step)) {
            auto& ack = *out.mutable_hello_ack();
            ack.set_generation(bytes_of(partition_.snapshot().generation));
            ack.set_gateway_clock_us(now_us() + clock_ahead_us);
            ack.mutable_limits()->set_max_batch_entries(limits.max_batch_entries);
            ack.mutable_limits()->set_max_batch_bytes(limits.max_batch_bytes);
            ack.mutable_limits()->set_max_unsettled_bytes_per_lane(limits.max_unsettled_bytes_per_lane);
            ack.mutable_limits()->set_heartbeat_seconds(1);
            for (const auto& range : lan_ranges) {
                ack.add_lan_ranges(range);
            }
            for (const auto lane : {delivery::Lane::urgent, delivery::Lane::normal, delivery::Lane::rollup}) {
                if (session.machine.has_lane(lane)) {
                    *ack.add_lanes() = settled_of(lane, session.machine.spool_id(lane), *session.machine.cursor(lane));
                }
            }
        } else if (const auto* received = std::get_if<SendReceived>(&step)) {
            out.mutable_received()->set_lane(static_cast<pb::Lane>(received->lane));
            out.mutable_received()->set_run(received->run);
            out.mutable_received()->set_last(received->last);
        } else if (const auto* settled = std::get_if<SendSettled>(&step)) {
            *out.mutable_settled() = settled_of(settled->lane, settled->spool_id, settled->cursor);
        } else if (const auto* rewind = std::get_if<SendRewind>(&step)) {
            out.mutable_rewind()->set_lane(static_cast<pb::Lane>(rewind->lane));
            out.mutable_rewind()->set_spool_id(bytes_of(rewind->spool_id));
            out.mutable_rewind()->set_from(rewind->from);
            out.mutable_rewind()->set_run(rewind->run);
        } else if (const auto* close = std::get_if<CloseStream>(&step)) {
            streams_.at(close->spool_id).cursor.status = delivery::StreamStatus::closed;
            perform(session, session.machine.on_cursors_read(cursors_of(session), partition_.snapshot()));
        } else if (const auto* refusal = std::get_if<Refuse>(&step)) {
            refuse(session, std::string{refusal->reason});
        }
        if (out.frame_case() != pb::GatewayFrame::FRAME_NOT_SET) {
            session.stream->write(std::move(out));
        }
    }
}

void FakeGateway::refuse(Session& session, std::string why) {
    refusals_.push_back(why);
    session.stream->finish(CloseCode::bad_request, std::move(why));
}

void FakeGateway::hold_settling(bool hold) {
    const std::lock_guard lock{mutex_};
    holding_ = hold;
    apply_log();
    changed_.notify_all();
}

void FakeGateway::lose_batches(int count) {
    const std::lock_guard lock{mutex_};
    to_lose_ = count;
}

void FakeGateway::refuse_hellos(int count) {
    const std::lock_guard lock{mutex_};
    to_refuse_ = count;
}

void FakeGateway::cut() {
    const std::lock_guard lock{mutex_};
    for (auto& [id, session] : sessions_) {
        session.stream->cancel();
    }
}

void FakeGateway::change(const std::function<void(Streams&)>& change) {
    const std::lock_guard lock{mutex_};
    change(streams_);
}

std::size_t FakeGateway::stored_entries() const {
    const std::lock_guard lock{mutex_};
    std::size_t sum = 0;
    for (const auto& [id, stream] : streams_) {
        sum += stream.entries.size();
    }
    return sum;
}

FakeGateway::Streams FakeGateway::streams() const {
    const std::lock_guard lock{mutex_};
    return streams_;
}

std::optional<StoredStream> FakeGateway::stream(delivery::Lane lane) const {
    const std::lock_guard lock{mutex_};
    for (auto id = opened_.rbegin(); id != opened_.rend(); ++id) {
        const auto& stream = streams_.at(*id);
        if (stream.lane == lane && stream.cursor.status == delivery::StreamStatus::open) {
            return stream;
        }
    }
    return std::nullopt;
}

std::vector<std::string> FakeGateway::stored_payloads() const {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> out;
    for (const auto& id : opened_) {
        for (const auto& [seq, entry] : streams_.at(id).entries) {
            if (entry.has_suspect()) {
                const auto old = streams_.find(hash_of(entry.suspect().old_spool_id()));
                if (old != streams_.end()) {
                    const auto row = old->second.entries.find(entry.suspect().old_seq());
                    if (row != old->second.entries.end() && row->second.payload() == entry.payload()) {
                        continue;
                    }
                }
            }
            out.push_back(entry.payload());
        }
    }
    return out;
}

int FakeGateway::hellos() const {
    const std::lock_guard lock{mutex_};
    return static_cast<int>(hellos_.size());
}

std::vector<pb::Hello> FakeGateway::all_hellos() const {
    const std::lock_guard lock{mutex_};
    return hellos_;
}

std::vector<pb::Batch> FakeGateway::batches() const {
    const std::lock_guard lock{mutex_};
    return batches_;
}

std::vector<pb::Heartbeat> FakeGateway::heartbeats() const {
    const std::lock_guard lock{mutex_};
    return heartbeats_;
}

std::vector<std::string> FakeGateway::refusals() const {
    const std::lock_guard lock{mutex_};
    return refusals_;
}

bool FakeGateway::wait(const std::function<bool(const FakeGateway&)>& holds, std::chrono::seconds limit) const {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, limit, [&] { return holds(*this); });
}

}  // namespace mimamori::test
