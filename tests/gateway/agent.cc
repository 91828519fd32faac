#include "agent.h"

#include <fmt/format.h>

#include "base/random.h"
#include "domain/delivery/chain.h"

namespace mimamori::test {
namespace {

std::string payload_of(std::uint64_t seq, std::size_t bytes) {
    auto text = fmt::format("entry {}", seq);
    text.resize(std::max(bytes, text.size()), '.');
    return text;
}

}  // namespace

Agent::Agent(int port, const std::string& authority, const std::optional<Pem>& identity, bool compressed,
             bool deaf) {
    ::grpc::SslCredentialsOptions options;
    options.pem_root_certs = authority;
    if (identity) {
        options.pem_cert_chain = identity->certificate;
        options.pem_private_key = identity->private_key;
    }
    ::grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // each agent has a connection of its own
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // what is not read fills a window of 64 KiB, no more
    if (compressed) {
        arguments.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);
    }
    const auto channel = ::grpc::CreateCustomChannel(fmt::format("ipv4:127.0.0.1:{}", port), ::grpc::SslCredentials(options), arguments);
    stub_ = pb::Uplink::NewStub(channel);
    stream_ = stub_->Connect(&context_);
    if (!deaf) {
        reader_ = std::jthread{[this] { read_all(); }};
    }
}

void Agent::read_all() {
    pb::GatewayFrame frame;
    while (stream_->Read(&frame)) {
        const std::lock_guard lock{mutex_};
        frames_.push_back(std::move(frame));
        changed_.notify_all();
    }
    const auto status = stream_->Finish();
    const std::lock_guard lock{mutex_};
    status_ = status;
    changed_.notify_all();
}

Agent::~Agent() {
    hang_up();
    if (reader_.joinable()) {
        reader_.join();
    } else {
        read_all();
    }
}

bool Agent::send(const pb::AgentFrame& frame) {
    return stream_->Write(frame);
}

std::optional<pb::GatewayFrame> Agent::next(std::chrono::milliseconds limit) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, limit, [&] { return !frames_.empty() || status_; });
    if (frames_.empty()) {
        return std::nullopt;
    }
    auto frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
}

std::optional<pb::GatewayFrame> Agent::next(pb::GatewayFrame::FrameCase kind, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        auto frame = next(std::max(left, 0ms));
        if (!frame || frame->frame_case() == kind) {
            return frame;
        }
    }
}

::grpc::Status Agent::end(std::chrono::milliseconds limit) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, limit, [&] { return status_.has_value(); });
    return status_ ? *status_ : ::grpc::Status{::grpc::StatusCode::OK, "still open"};
}

void Agent::hang_up() {
    context_.TryCancel();
}

Spool::Spool(pb::Lane given) : lane{given}, id{base::random_bytes16()}, id_bytes{reinterpret_cast<const char*>(id.data()), id.size()} {}

pb::LaneState Spool::state(std::uint64_t last, std::uint64_t first) const {
    pb::LaneState out;
    out.set_lane(lane);
    out.set_spool_id(id_bytes);
    out.set_first(first);
    out.set_last(last);
    return out;
}

std::string Spool::h(std::uint64_t next_seq, std::size_t payload_bytes) const {
    auto now = delivery::chain_origin(static_cast<delivery::Lane>(lane), id);
    for (std::uint64_t seq = 1; seq < next_seq; ++seq) {
        now = delivery::chain_next(now, seq, delivery::digest_of(delivery::EntryKind::event, payload_of(seq, payload_bytes)));
    }
    return {reinterpret_cast<const char*>(now.data()), now.size()};
}

pb::AgentFrame Spool::batch(std::uint64_t first, std::uint64_t last, std::uint32_t run, std::size_t payload_bytes) const {
    pb::EntryList list;
    for (std::uint64_t seq = first; seq <= last; ++seq) {
        auto& entry = *list.add_entries();
        entry.set_kind(1);
        entry.set_payload(payload_of(seq, payload_bytes));
    }
    pb::AgentFrame frame;
    auto& batch = *frame.mutable_batch();
    batch.set_lane(lane);
    batch.set_spool_id(id_bytes);
    batch.set_run(run);
    batch.set_first(first);
    batch.set_last(last);
    batch.set_h_before(h(first, payload_bytes));
    const auto data = list.SerializeAsString();
    batch.mutable_entries()->set_data(data);
    batch.mutable_entries()->set_raw_size(static_cast<std::uint32_t>(data.size()));
    batch.mutable_entries()->set_count(static_cast<std::uint32_t>(last - first + 1));
    return frame;
}

pb::AgentFrame hello(std::initializer_list<pb::LaneState> lanes) {
    pb::AgentFrame frame;
    auto& out = *frame.mutable_hello();
    out.set_agent_version("0.1.0");
    out.set_appliance_model("SS5100");
    out.set_firmware_version("12.4");
    out.set_agent_clock_us(1'000'000);
    for (const auto& lane : lanes) {
        *out.add_lanes() = lane;
    }
    return frame;
}

}  // namespace mimamori::test
