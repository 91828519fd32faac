// What nghttp2 calls back, and what it is told of the limits.
#include <algorithm>
#include <array>
#include <cstring>

#include "adapters/grpc/http2_call.h"

namespace mimamori::adapters::grpc {
namespace {

constexpr std::size_t resets_at_once = 20, resets_a_second = 1;

}  // namespace

Http2Session& Http2Session::Callbacks::self(void* user) {
    return *static_cast<Http2Session*>(user);
}
Http2Session::Call* Http2Session::Callbacks::call(nghttp2_session* session, std::int32_t id) {
    return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, id));
}

int Http2Session::Callbacks::begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        self(user).begin(frame->hd.stream_id);
    }
    return 0;
}

int Http2Session::Callbacks::one_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                                        std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                                        std::uint8_t, void* user) {
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

int Http2Session::Callbacks::frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
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

int Http2Session::Callbacks::data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                                  std::size_t size, void* user) {
    if (auto* found = call(session, id)) {
        self(user).take_data(*found, view_of(bytes, size));
    } else {
        nghttp2_session_consume(session, id, size);
    }
    return 0;
}

int Http2Session::Callbacks::stream_closed(nghttp2_session* session, std::int32_t id, std::uint32_t, void* user) {
    if (auto* found = call(session, id)) {
        nghttp2_session_consume_connection(session, found->unconsumed);
        self(user).end(*found);
    }
    return 0;
}

int Http2Session::Callbacks::frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
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
ssize_t Http2Session::Callbacks::read(nghttp2_session* session, std::int32_t id, std::uint8_t* out, std::size_t room,
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
    return nghttp2_submit_trailer(session, id, trailers.data(), trailers.size()) == 0 ? 0
                                                                                      : NGHTTP2_ERR_CALLBACK_FAILURE;
}

nghttp2_session_callbacks* Http2Session::Callbacks::all() {
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

nghttp2_option* Http2Session::Callbacks::options() {
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

}  // namespace mimamori::adapters::grpc
