#include "adapters/grpc/http2_session.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "adapters/grpc/http2_call.h"
#include "adapters/grpc/tls.h"

namespace mimamori::adapters::grpc {
namespace {

constexpr std::string_view method_path = "/mimamori.uplink.v1.Uplink/Connect";
constexpr std::string_view content_type = "application/grpc";
constexpr std::uint32_t max_streams_of_a_peer = 2;  // a new one may come before the old one has ended
constexpr int max_ping_strikes = 2;                 // as gRPC's own servers
constexpr std::size_t max_waiting_frames = 1000;    // of ours; an honest peer never makes more than some dozens wait

}  // namespace

Http2Session::Http2Session(ServerContext& context, StreamOwner& owner, const PeerCertificate& certificate,
                           std::string peer)
    : context_{context}, owner_{owner}, certificate_{certificate}, peer_{std::move(peer)} {
    nghttp2_session_server_new2(&session_, Callbacks::all(), this, Callbacks::options());
    // Small windows and no table for headers: memory of a connection.
    constexpr std::array<nghttp2_settings_entry, 3> settings{
        {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams_of_a_peer},
         {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, max_header_bytes},
         {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0}}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
}

Http2Session::~Http2Session() {
    while (!calls_.empty()) {
        end(*calls_.back());
    }
    nghttp2_session_del(session_);
}

bool Http2Session::receive(std::string_view bytes) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    return nghttp2_session_mem_recv(session_, data, bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
           nghttp2_session_get_outbound_queue_size(session_) <= max_waiting_frames;
}

bool Http2Session::produce(std::string& out, std::size_t enough) {
    while (out.size() < enough) {
        const std::uint8_t* bytes = nullptr;
        const auto size = nghttp2_session_mem_send(session_, &bytes);
        if (size < 0) {
            return false;
        }
        if (size == 0) {
            break;
        }
        out.append(view_of(bytes, static_cast<std::size_t>(size)));
    }
    return true;
}

bool Http2Session::serve(UplinkStream& stream) {
    const auto found =
        std::find_if(calls_.begin(), calls_.end(), [&](const auto& call) { return call->stream.get() == &stream; });
    if (found == calls_.end()) {
        return true;
    }
    auto& call = **found;
    const bool something = call.refill() || call.closing;
    if (call.cancelled) {
        return false;
    }
    if (something && !call.responded) {
        respond(call);
    } else if (something && call.idle) {
        call.idle = false;
        nghttp2_session_resume_data(session_, call.http2_id);
    }
    deliver(call);
    return true;
}

void Http2Session::ping() {
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

void Http2Session::go_away() {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
}

bool Http2Session::finished() const {
    return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

std::size_t Http2Session::streams() const {
    return static_cast<std::size_t>(
        std::count_if(calls_.begin(), calls_.end(), [](const auto& call) { return call->opened; }));
}

bool Http2Session::is_overdue(std::chrono::steady_clock::time_point since) const {
    return std::any_of(calls_.begin(), calls_.end(),
                       [&](const auto& call) { return call->closing_since && *call->closing_since < since; });
}

void Http2Session::begin(std::int32_t http2_id) {
    calls_.push_back(std::make_unique<Call>(
        http2_id, std::min(context_.settings.max_first_frame_bytes, context_.settings.max_frame_bytes)));
    nghttp2_session_set_stream_user_data(session_, http2_id, calls_.back().get());
}

void Http2Session::take_header(Call& call, std::string_view name, std::string_view value) {
    if (name == ":method") {
        call.right_method = value == "POST";
    } else if (name == ":path") {
        call.right_path = value == method_path;
    } else if (name == "content-type") {
        const auto after =
            value.substr(0, content_type.size()) == content_type ? value.substr(content_type.size()) : "?";
        call.right_type = after.empty() || after.front() == '+' || after.front() == ';';
    } else if (name == "grpc-encoding") {
        call.compressed = value != "identity";
    }
}

// The request's head is complete.
void Http2Session::open(Call& call) {
    call.opened = true;
    if (!call.right_method || !call.right_path || !call.right_type) {
        refuse(call, {StatusCode::unimplemented, "there is only the gRPC method " + std::string{method_path}});
        return;
    }
    if (call.compressed) {
        refuse(call, {StatusCode::unimplemented, "messages must not be compressed: batches are, inside"});
        return;
    }
    if (auto objection = objection_to(certificate_, context_.deny_list); !objection.empty()) {
        refuse(call, {StatusCode::unauthenticated, std::move(objection)});
        return;
    }
    if (context_.open_streams.fetch_add(1, std::memory_order_relaxed) >= context_.settings.max_streams) {
        context_.open_streams.fetch_sub(1, std::memory_order_relaxed);
        refuse(call, {StatusCode::resource_exhausted, "too many connections: try another gateway"});
        return;
    }
    call.stream = std::make_shared<UplinkStream>(context_.next_id.fetch_add(1, std::memory_order_relaxed), certificate_,
                                                 peer_, owner_);
    context_.events.on_opened(call.stream);
}

void Http2Session::take_data(Call& call, std::string_view bytes) {
    call.unconsumed += bytes.size();
    if (call.stream) {
        call.stream->on_data(bytes.size());
        call.reader.append(bytes);
    }
    deliver(call);
}

// Hands over the messages that are asked for. While one waits to be, or its beginning does, the peer gets no credit for
// what it sends: a window is the most that is kept of a stream that nobody asks.
void Http2Session::deliver(Call& call) {
    bool waits = false;
    while (call.stream && !waits) {
        std::string_view message;
        const auto next = call.reader.peek(message);
        if (next == MessageReader::Next::incomplete) {
            waits = !call.reader.empty() && !call.stream->wants_the_rest();
            break;
        }
        if (next != MessageReader::Next::message) {
            call.stream->close(
                next == MessageReader::Next::compressed
                    ? Status{StatusCode::unimplemented, "messages must not be compressed: batches are, inside"}
                    : Status{StatusCode::resource_exhausted,
                             fmt::format("a frame may have {} bytes at most", call.reader.max_message_bytes())});
            return;
        }
        const auto offer = call.stream->offer();
        waits = offer == UplinkStream::Offer::keep;
        if (offer == UplinkStream::Offer::deliver) {
            AgentFrame frame;
            if (!frame.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
                call.stream->close({StatusCode::invalid_argument, "a frame that cannot be decoded"});
                return;
            }
            call.reader.pop();
            call.reader.set_max_message_bytes(context_.settings.max_frame_bytes);
            context_.events.on_frame(*call.stream, std::move(frame));
        } else if (!waits) {
            call.reader.pop();
        }
    }
    if (!waits && call.unconsumed > 0) {
        nghttp2_session_consume(session_, call.http2_id, std::exchange(call.unconsumed, 0));
    }
}

void Http2Session::respond(Call& call) {
    call.responded = true;
    if (call.sending.empty()) {
        refuse(call, *call.closing);
        return;
    }
    const std::array head{header(":status", "200"), header("content-type", content_type)};
    nghttp2_data_provider provider{};
    provider.source.ptr = &call;
    provider.read_callback = &Callbacks::read;
    nghttp2_submit_response(session_, call.http2_id, head.data(), head.size(), &provider);
}

// The response's head is all there is of it.
void Http2Session::refuse(Call& call, const Status& why) {
    call.begin_closing();
    const StatusHeaders status{why};
    const std::array head{header(":status", "200"), header("content-type", content_type), status.code_header(),
                          status.message_header()};
    nghttp2_submit_response(session_, call.http2_id, head.data(), head.size(), nullptr);
}

void Http2Session::end(Call& call) {
    nghttp2_session_set_stream_user_data(session_, call.http2_id, nullptr);
    const auto found = std::find_if(calls_.begin(), calls_.end(), [&](const auto& one) { return one.get() == &call; });
    const auto ended = std::move(*found);
    calls_.erase(found);
    if (ended->stream) {
        ended->stream->end();
        context_.open_streams.fetch_sub(1, std::memory_order_relaxed);
        context_.events.on_closed(*ended->stream);
    }
}

void Http2Session::on_ping() {
    const auto now = std::chrono::steady_clock::now();
    if (now - std::exchange(last_ping_, now) < context_.settings.min_ping_interval &&
        ++ping_strikes_ > max_ping_strikes) {
        nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

// A peer may ask after each answer whether we are still there.
void Http2Session::on_sent() {
    last_ping_ = {};
    ping_strikes_ = 0;
}

}  // namespace mimamori::adapters::grpc
