#include "adapters/grpc/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "adapters/grpc/tls.h"

namespace mimamori::adapters::grpc {
namespace {

constexpr std::string_view method_path = "/mimamori.uplink.v1.Uplink/Connect";
constexpr std::string_view content_type = "application/grpc";
constexpr std::size_t max_header_bytes = 4096;
constexpr std::uint32_t max_streams_of_a_peer = 2;  // a new one may come before the old one has ended
constexpr int max_ping_strikes = 2;                 // as gRPC's own servers
constexpr std::size_t resets_at_once = 20, resets_a_second = 1;
constexpr std::size_t max_waiting_frames = 1000;  // of ours; an honest peer never makes more than some dozens wait

std::string_view view_of(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

// Name and value must outlive the call that they are given to.
nghttp2_nv header(std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

struct StatusHeaders {
    explicit StatusHeaders(const Status& status)
        : code{fmt::to_string(static_cast<int>(status.code))}, message{percent_encoded(status.message)} {}
    std::string code, message;
    nghttp2_nv code_header() const { return header("grpc-status", code); }
    nghttp2_nv message_header() const { return header("grpc-message", message); }
};

}  // namespace

struct Http2Session::Call {
    Call(std::int32_t id, std::size_t max_message_bytes) : http2_id{id}, reader{max_message_bytes} {}
    std::int32_t http2_id;
    // The request's head.
    std::size_t header_bytes = 0;
    bool right_method = false, right_path = false, right_type = false, compressed = false;
    // The peer's messages.
    std::shared_ptr<UplinkStream> stream;  // empty: refused
    MessageReader reader;
    std::size_t unconsumed = 0;  // bytes that the peer has no new credit for yet
    // Ours.
    std::string sending;
    std::size_t sent = 0;
    std::optional<Status> closing;
    std::optional<std::chrono::steady_clock::time_point> closing_since;
    bool cancelled = false;
    bool opened = false;        // the request's head is complete
    bool responded = false;     // the response's head is on its way
    bool idle = false;          // nghttp2 waits to be told of more data
    bool peer_is_done = false;  // it will send nothing more

    void begin_closing() { closing_since = closing_since.value_or(std::chrono::steady_clock::now()); }

    // What the stream has for us now; bytes only once those before are gone. True: there are some to send.
    bool refill() {
        const bool empty = sent == sending.size();
        auto news = stream->take(empty);
        closing = std::move(news.closing);
        if (closing) {
            begin_closing();
        }
        cancelled = news.cancelled;
        if (empty) {
            sending = std::move(news.bytes);
            sent = 0;
        }
        return !sending.empty();
    }
};

struct Http2Session::Callbacks {
    static Http2Session& self(void* user) { return *static_cast<Http2Session*>(user); }
    static Call* call(nghttp2_session* session, std::int32_t id) {
        return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, id));
    }

    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            self(user).begin(frame->hd.stream_id);
        }
        return 0;
    }

    static int one_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                          std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                          void* user) {
        auto* found = call(session, frame->hd.stream_id);
        if (found == nullptr) {
            return 0;
        }
        found->header_bytes += name_size + value_size + 32;  // as RFC 7541 counts
        if (found->header_bytes > max_header_bytes) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // nghttp2 resets the stream
        }
        self(user).take_header(*found, view_of(name, name_size), view_of(value, value_size));
        return 0;
    }

    static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
        if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
            self(user).on_ping();
            return 0;
        }
        if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
            return 0;
        }
        auto* found = call(session, frame->hd.stream_id);
        if (found == nullptr) {
            return 0;
        }
        if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            self(user).open(*found);
        }
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            found->peer_is_done = true;
            if (found->stream) {
                found->stream->close({});  // the agent said good-bye
            }
        }
        return 0;
    }

    static int data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                    std::size_t size, void* user) {
        if (auto* found = call(session, id)) {
            self(user).take_data(*found, view_of(bytes, size));
        } else {
            nghttp2_session_consume(session, id, size);
        }
        return 0;
    }

    static int stream_closed(nghttp2_session* session, std::int32_t id, std::uint32_t, void* user) {
        if (auto* found = call(session, id)) {
            nghttp2_session_consume_connection(session, found->unconsumed);
            self(user).end(*found);
        }
        return 0;
    }

    static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
        if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
            return 0;
        }
        self(user).on_sent();
        const auto* found = call(session, frame->hd.stream_id);
        if (found != nullptr && !found->peer_is_done && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
        }
        return 0;
    }

    // Gives nghttp2 the next bytes of a stream, and after the last one the trailers.
    static ssize_t read(nghttp2_session* session, std::int32_t id, std::uint8_t* out, std::size_t room,
                        std::uint32_t* flags, nghttp2_data_source* source, void*) {
        auto& call = *static_cast<Call*>(source->ptr);
        const auto size = std::min(room, call.sending.size() - call.sent);
        if (size > 0) {
            std::memcpy(out, call.sending.data() + call.sent, size);
            call.sent += size;
            return static_cast<ssize_t>(size);
        }
        if (call.refill()) {
            return read(session, id, out, room, flags, source, nullptr);
        }
        if (!call.closing) {
            call.idle = true;
            return NGHTTP2_ERR_DEFERRED;
        }
        const StatusHeaders status{*call.closing};
        const std::array trailers{status.code_header(), status.message_header()};
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        return nghttp2_submit_trailer(session, id, trailers.data(), trailers.size()) == 0
                   ? 0
                   : NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    static nghttp2_session_callbacks* all() {
        static nghttp2_session_callbacks* const made = [] {
            nghttp2_session_callbacks* out = nullptr;
            nghttp2_session_callbacks_new(&out);
            nghttp2_session_callbacks_set_on_begin_headers_callback(out, &begin_headers);
            nghttp2_session_callbacks_set_on_header_callback(out, &one_header);
            nghttp2_session_callbacks_set_on_frame_recv_callback(out, &frame_received);
            nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out, &data);
            nghttp2_session_callbacks_set_on_stream_close_callback(out, &stream_closed);
            nghttp2_session_callbacks_set_on_frame_send_callback(out, &frame_sent);
            return out;
        }();
        return made;
    }

    static nghttp2_option* options() {
        static nghttp2_option* const made = [] {
            nghttp2_option* out = nullptr;
            nghttp2_option_new(&out);
            nghttp2_option_set_no_auto_window_update(out, 1);  // credit is given for what has been taken
            nghttp2_option_set_no_closed_streams(out, 1);
            nghttp2_option_set_max_deflate_dynamic_table_size(out, 0);
            nghttp2_option_set_stream_reset_rate_limit(out, resets_at_once, resets_a_second);
            return out;
        }();
        return made;
    }
};

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
    calls_.push_back(std::make_unique<Call>(http2_id, context_.settings.max_frame_bytes));
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
        call.reader.append(bytes);
    }
    deliver(call);
}

// Hands over the messages that are asked for. While one waits to be, the peer gets no credit for what it sends: a frame
// and a window are the most that is kept of a stream.
void Http2Session::deliver(Call& call) {
    bool waits = false;
    while (call.stream && !waits) {
        std::string_view message;
        const auto next = call.reader.peek(message);
        if (next == MessageReader::Next::incomplete) {
            break;
        }
        if (next != MessageReader::Next::message) {
            call.stream->close(
                next == MessageReader::Next::compressed
                    ? Status{StatusCode::unimplemented, "messages must not be compressed: batches are, inside"}
                    : Status{StatusCode::resource_exhausted,
                             fmt::format("a frame may have {} bytes at most", context_.settings.max_frame_bytes)});
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
