// One call of an Http2Session, and what nghttp2 calls back. Private to Http2Session.
#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "adapters/grpc/http2_session.h"

namespace mimamori::adapters::grpc {

constexpr std::size_t max_header_bytes = 4096;

inline std::string_view view_of(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

// Name and value must outlive the call that they are given to.
inline nghttp2_nv header(std::string_view name, std::string_view value) {
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

struct Http2Session::Call {
    Call(std::int32_t id, std::size_t max_first_message_bytes) : http2_id{id}, reader{max_first_message_bytes} {}
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
    static Http2Session& self(void* user);
    static Call* call(nghttp2_session* session, std::int32_t id);
    static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user);
    static int one_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                          std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                          void* user);
    static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user);
    static int data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                    std::size_t size, void* user);
    static int stream_closed(nghttp2_session* session, std::int32_t id, std::uint32_t, void* user);
    static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user);
    static ssize_t read(nghttp2_session* session, std::int32_t id, std::uint8_t* out, std::size_t room,
                        std::uint32_t* flags, nghttp2_data_source* source, void*);
    static nghttp2_session_callbacks* all();
    static nghttp2_option* options();
};

}  // namespace mimamori::adapters::grpc
