#include "bench/load/connection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace mimamori::bench {
namespace {

constexpr std::size_t prefix_bytes = 5;  // of a message: 0 for not compressed, and its length
constexpr std::size_t max_frame_bytes = 256U << 10U;
constexpr std::size_t max_waiting_bytes = 16U << 10U;  // written and not handed over; one frame may go beyond
constexpr std::size_t gathered_bytes = 16U << 10U;     // for one record of TLS
constexpr std::uint32_t max_header_bytes = 8U << 10U;

thread_local std::array<char, 32U << 10U> read_buffer;
thread_local std::string gathered;

std::string percent_decoded(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        unsigned char byte = 0;
        if (text.size() >= 3 && text[0] == '%' &&
            std::from_chars(&text[1], &text[1] + 2, byte, 16).ptr == &text[1] + 2) {
            out += static_cast<char>(byte);
            text.remove_prefix(3);
        } else {
            out += text[0];
            text.remove_prefix(1);
        }
    }
    return out;
}

}  // namespace

// What nghttp2 calls; `user` is the connection.
struct Callbacks {
    static Connection& of(void* user) { return *static_cast<Connection*>(user); }

    static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_length,
                         const std::uint8_t* value, std::size_t value_length, std::uint8_t, void* user) {
        of(user).on_header({reinterpret_cast<const char*>(name), name_length},
                           {reinterpret_cast<const char*>(value), value_length});
        return 0;
    }

    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* bytes, std::size_t size,
                       void* user) {
        of(user).in_.append(reinterpret_cast<const char*>(bytes), size);
        return 0;
    }

    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        auto& self = of(user);
        if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
            self.end(false, fmt::format("the gateway ends the connection: {}",
                                        nghttp2_http2_strerror(frame->goaway.error_code)));
        } else if (frame->hd.stream_id == self.stream_ && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                   (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)) {
            self.on_end_of_stream();
        }
        return 0;
    }

    static int on_stream_close(nghttp2_session*, std::int32_t, std::uint32_t code, void* user) {
        of(user).end(false, fmt::format("the gateway reset the stream: {}", nghttp2_http2_strerror(code)));
        return 0;
    }

    static ssize_t give(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t*,
                        nghttp2_data_source*, void* user) {
        const auto given = of(user).give(to, room);
        return given == 0 ? ssize_t{NGHTTP2_ERR_DEFERRED} : static_cast<ssize_t>(given);
    }

    static const nghttp2_session_callbacks* all() {
        static const auto made = [] {
            nghttp2_session_callbacks* callbacks = nullptr;
            nghttp2_session_callbacks_new(&callbacks);
            nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::on_header);
            nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::on_data);
            nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::on_frame);
            nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::on_stream_close);
            return std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>{
                callbacks, &nghttp2_session_callbacks_del};
        }();
        return made.get();
    }
};

Connection::Connection(const Target& target, const agent::uplink::Identity& identity, Poller& poller, std::uint64_t tag)
    : socket_{target, identity, poller, tag} {
    if (!socket_.failed().empty()) {
        end(false, socket_.failed());
        return;
    }
    open_stream(target.authority);
}

void Connection::open_stream(const std::string& authority) {
    nghttp2_session* session = nullptr;
    nghttp2_session_client_new(&session, Callbacks::all(), this);
    session_.reset(session);
    const std::array settings{nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                              nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, max_header_bytes}};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    const auto header = [](std::string_view name, std::string_view value) {
        const auto bytes = [](std::string_view text) {
            return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // nghttp2 copies it
        };
        return nghttp2_nv{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
    };
    const std::array headers{header(":method", "POST"),
                             header(":scheme", "https"),
                             header(":path", "/mimamori.uplink.v1.Uplink/Connect"),
                             header(":authority", authority),
                             header("te", "trailers"),
                             header("content-type", "application/grpc"),
                             header("user-agent", "mimamori-load")};
    const nghttp2_data_provider source{{.ptr = nullptr}, &Callbacks::give};
    stream_ = nghttp2_submit_request(session, nullptr, headers.data(), headers.size(), &source, nullptr);
    if (stream_ < 0) {
        end(false, nghttp2_strerror(stream_));
    }
}

void Connection::on_ready() {
    if (ended_) {
        return;
    }
    socket_.connect_on();
    if (socket_.is_open()) {
        do {
            const auto count = socket_.read(read_buffer.data(), read_buffer.size());
            if (count == 0) {
                break;
            }
            const auto read = nghttp2_session_mem_recv(
                session_.get(), reinterpret_cast<const std::uint8_t*>(read_buffer.data()), count);
            if (read < 0) {
                end(false, nghttp2_strerror(static_cast<int>(read)));
            }
        } while (!ended_ && socket_.has_more());
    }
    if (!socket_.failed().empty()) {
        end(false, socket_.failed());
    }
}

std::optional<pb::GatewayFrame> Connection::take() {
    const auto* at = reinterpret_cast<const std::uint8_t*>(in_.data()) + taken_;
    const auto there = in_.size() - taken_;
    std::size_t size = prefix_bytes;
    if (there >= prefix_bytes) {
        size += std::size_t{at[1]} << 24U | std::size_t{at[2]} << 16U | std::size_t{at[3]} << 8U | at[4];
        if (at[0] != 0 || size > max_frame_bytes) {
            end(false, "the gateway sent a message that is compressed or too large");
            return std::nullopt;
        }
    }
    if (there < size) {
        in_.erase(0, std::exchange(taken_, 0));
        return std::nullopt;
    }
    taken_ += size;
    std::optional<pb::GatewayFrame> frame{std::in_place};
    if (!frame->ParseFromArray(at + prefix_bytes, static_cast<int>(size - prefix_bytes))) {
        end(false, "the gateway sent a message that cannot be read");
        return std::nullopt;
    }
    return frame;
}

bool Connection::can_write() const {
    return !ended_ && out_.size() - given_ + left_.size() < max_waiting_bytes;
}

void Connection::write(const pb::AgentFrame& frame) {
    out_.erase(0, std::exchange(given_, 0));
    const auto size = frame.ByteSizeLong();
    const auto at = out_.size();
    out_.resize(at + prefix_bytes + size);
    auto* to = reinterpret_cast<std::uint8_t*>(out_.data() + at);
    *to++ = 0;
    for (const auto shift : {24U, 16U, 8U, 0U}) {
        *to++ = static_cast<std::uint8_t>(size >> shift);
    }
    frame.SerializeWithCachedSizesToArray(to);
    nghttp2_session_resume_data(session_.get(), stream_);  // refused where it was not deferred: then it asks by itself
}

void Connection::flush() {
    if (ended_ || !socket_.is_open()) {
        return;
    }
    while (!ended_) {
        gathered = std::exchange(left_, {});
        while (gathered.size() < gathered_bytes) {
            const std::uint8_t* bytes = nullptr;
            const auto count = nghttp2_session_mem_send(session_.get(), &bytes);
            if (count <= 0) {
                if (count < 0) {
                    end(false, nghttp2_strerror(static_cast<int>(count)));
                }
                break;
            }
            gathered.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
        }
        if (gathered.empty()) {
            break;
        }
        const auto taken = socket_.write(gathered);
        if (taken < gathered.size()) {
            left_.assign(gathered, taken);
            break;
        }
    }
    if (!socket_.failed().empty()) {
        end(false, socket_.failed());
    } else if (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0) {
        end(false, "the gateway ended the connection");
    }
}

std::size_t Connection::give(std::uint8_t* to, std::size_t room) {
    const auto count = std::min(room, out_.size() - given_);
    std::memcpy(to, out_.data() + given_, count);
    given_ += count;
    if (given_ == out_.size()) {
        out_.clear();
        given_ = 0;
    }
    return count;
}

void Connection::on_header(std::string_view name, std::string_view value) {
    for (const auto& [known, kept] : {std::pair{":status", &http_status_}, std::pair{"grpc-status", &grpc_status_},
                                      std::pair{"grpc-message", &grpc_message_}}) {
        if (name == known) {
            *kept = value;
        }
    }
}

void Connection::on_end_of_stream() {
    if (grpc_status_.empty()) {
        end(false, fmt::format("the gateway ended the stream with HTTP status {} and no gRPC status", http_status_));
        return;
    }
    // INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED
    const bool refused = grpc_status_ == "3" || grpc_status_ == "7" || grpc_status_ == "16";
    end(refused, fmt::format("gRPC status {}: {}", grpc_status_, percent_decoded(grpc_message_)));
}

void Connection::end(bool refused, std::string what) {
    if (!ended_) {
        ended_ = Ended{refused, std::move(what)};
    }
}

}  // namespace mimamori::bench
