#include "gateway/reception.h"

#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "domain/delivery/partitioning.h"
#include "gateway/events.h"
#include "store/alarms.h"

namespace mimamori::gateway {

using adapters::grpc::CloseCode;
using base::FailureKind;

namespace {

std::string_view print_of(const Stream& stream) {
    const auto& print = stream.certificate().fingerprint;
    return {reinterpret_cast<const char*>(print.data()), print.size()};
}

std::string hex_of(const Stream& stream) {
    return base::to_hex(stream.certificate().fingerprint);
}

store::SpoolIds spools_of(const std::vector<delivery::HelloLane>& lanes) {
    store::SpoolIds out;
    for (const auto& lane : lanes) {
        out[index_of(lane.lane)] = lane.spool_id;
    }
    return out;
}

}  // namespace

Reception::Reception(ShardContext& context, const std::vector<std::unique_ptr<Shard>>& shards)
    : context_{context}, shards_{shards} {}

Shard& Reception::shard_of(std::int32_t partition) const {
    return *shards_[static_cast<std::size_t>(partition) % shards_.size()];
}

void Reception::on_opened(const std::shared_ptr<Stream>& stream) {
    bool closed = false;
    {
        const std::lock_guard lock{mutex_};
        closed = closed_;
        if (!closed) {
            waiting_.emplace(stream->id(), Waiting{stream, std::chrono::steady_clock::now()});
        }
    }
    if (closed) {
        stream->finish(CloseCode::unavailable, "the gateway stops");
    } else {
        stream->read_next();
    }
}

void Reception::on_frame(Stream& stream, pb::AgentFrame&& frame) {
    if (const auto owner = stream.owner(); owner >= 0) {
        shards_[static_cast<std::size_t>(owner)]->frame(stream.id(), std::move(frame));
        return;
    }
    if (!frame.has_hello()) {
        context_.events.emit(envelope_violation, {{"certificate", hex_of(stream)}, {"detail", "the first frame is not Hello"}});
        stream.finish(CloseCode::bad_request, "the first frame must be Hello");
        return;
    }
    std::shared_ptr<Stream> shared;
    {
        const std::lock_guard lock{mutex_};
        if (const auto found = waiting_.find(stream.id()); found != waiting_.end()) {
            found->second.hello = true;
            shared = found->second.stream;
        }
    }
    if (shared) {
        greet(shared, *frame.mutable_hello());
    }
}

void Reception::on_closed(Stream& stream) {
    {
        const std::lock_guard lock{mutex_};
        waiting_.erase(stream.id());
    }
    if (const auto owner = stream.owner(); owner >= 0) {
        shards_[static_cast<std::size_t>(owner)]->closed(stream.id());
    }
}

void Reception::sweep() {
    std::vector<std::shared_ptr<Stream>> late;
    {
        const std::lock_guard lock{mutex_};
        const auto limit = std::chrono::steady_clock::now() - context_.settings.hello_limit;
        for (auto& [id, waiting] : waiting_) {
            if (!waiting.hello && waiting.since < limit && !std::exchange(waiting.turned_away, true)) {
                late.push_back(waiting.stream);
            }
        }
    }
    for (const auto& stream : late) {
        turn_away(*stream, CloseCode::bad_request, "no Hello in time");
    }
}

void Reception::close() {
    std::vector<std::shared_ptr<Stream>> all;
    {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        for (const auto& [id, waiting] : waiting_) {
            all.push_back(waiting.stream);
        }
    }
    for (const auto& stream : all) {
        stream->finish(CloseCode::unavailable, "the gateway stops");
    }
}

void Reception::greet(const std::shared_ptr<Stream>& stream, pb::Hello& hello) {
    auto lanes = lanes_of(hello);
    if (const auto* malformed = std::get_if<Malformed>(&lanes)) {
        context_.events.emit(envelope_violation, {{"certificate", hex_of(*stream)}, {"detail", malformed->reason}});
        stream->finish(CloseCode::bad_request, std::string{malformed->reason});
        return;
    }
    const auto now_us = base::to_us(context_.clock.now());
    const bool queued = context_.workers.submit(
        [this, stream, now_us, hello = std::move(hello), lanes = std::move(std::get<0>(lanes))](
            base::Expected<store::Connection*> connection) { look_up(stream, hello, lanes, now_us, std::move(connection)); });
    if (!queued) {
        turn_away(*stream, CloseCode::busy, "too many connections at once: come back later");
    }
}

void Reception::look_up(const std::shared_ptr<Stream>& stream, const pb::Hello& hello,
                        const std::vector<delivery::HelloLane>& lanes, std::int64_t hello_at_us,
                        base::Expected<store::Connection*> connection) {
    if (stream->ended()) {
        return;
    }
    if (!connection) {
        turn_away(*stream, CloseCode::unavailable, connection.error().what);
        return;
    }
    auto& session = **connection;
    auto appliance = store::find_appliance(session, print_of(*stream));
    if (!appliance) {
        if (appliance.error().kind == FailureKind::refused) {
            turn_away_with_alarm(*stream, session, certificate_refused, "certificate " + hex_of(*stream), appliance.error().what);
        } else {
            turn_away(*stream, CloseCode::unavailable, appliance.error().what);
        }
        return;
    }
    const auto partition = delivery::partition_of(appliance->customer, context_.settings.kafka.partitions);
    const auto opened = store::open_streams(session, *appliance, spools_of(lanes), partition);
    if (!opened) {
        if (opened.error().kind == FailureKind::refused) {
            turn_away_with_alarm(*stream, session, too_many_streams, fmt::format("rental {}", appliance->rental.value), opened.error().what);
        } else {
            turn_away(*stream, CloseCode::unavailable, opened.error().what);
        }
        return;
    }
    for (const auto& old : opened->superseded) {
        context_.events.emit(stream_superseded, {{"rental", appliance->rental.value}, {"stream", old.stream.value}});
    }
    const auto shard = static_cast<std::size_t>(partition) % shards_.size();
    {
        const std::lock_guard lock{mutex_};
        waiting_.erase(stream->id());
    }
    stream->set_owner(static_cast<std::int32_t>(shard));
    shards_[shard]->open({stream, std::move(*appliance), hello, lanes, opened->states, hello_at_us, partition});
}

void Reception::turn_away(Stream& stream, CloseCode code, std::string_view reason) {
    context_.events.emit(connection_refused, {{"certificate", hex_of(stream)}, {"detail", reason}});
    // The reason may name hosts and statements: the agent is told only what it can act on.
    stream.finish(code, code == CloseCode::unavailable ? "the service behind cannot be reached now" : std::string{reason});
}

void Reception::turn_away_with_alarm(Stream& stream, store::Connection& connection, const platform::Event& event,
                                     std::string_view subject, std::string_view reason) {
    context_.events.emit(event, {{"certificate", hex_of(stream)}, {"detail", reason}});
    (void)store::raise_alarm(connection, event.id, subject, reason);
    stream.finish(CloseCode::not_allowed, std::string{reason});
}

}  // namespace mimamori::gateway
