#include "raw_peer.h"

#include <catch2/catch.hpp>

#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

namespace mimamori::test {
namespace {

std::string_view view_of(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

template <class Read>
auto from_pem(const std::string& text, Read read) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> in{BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                       &BIO_free};
    return read(in.get(), nullptr, nullptr, nullptr);
}

}  // namespace

const Headers& connect_call() {
    static const Headers headers{{":method", "POST"},
                                 {":scheme", "https"},
                                 {":path", "/mimamori.uplink.v1.Uplink/Connect"},
                                 {":authority", "localhost"},
                                 {"content-type", "application/grpc"},
                                 {"te", "trailers"}};
    return headers;
}

std::string framed(std::string_view message, char flag) {
    std::string out{flag};
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(message.size() >> static_cast<unsigned>(shift)));
    }
    return out.append(message);
}

struct RawPeer::Callbacks {
    static RawPeer& self(void* user) { return *static_cast<RawPeer*>(user); }
    static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
        self(user).answers[frame->hd.stream_id].headers[std::string{view_of(name, name_size)}] =
            view_of(value, value_size);
        return 0;
    }
    static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size,
                    void* user) {
        self(user).answers[id].data.append(view_of(bytes, size));
        return 0;
    }
    static int closed(nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
        self(user).answers[id].closed = true;
        self(user).answers[id].error = error;
        return 0;
    }
    static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
        if (frame->hd.type == NGHTTP2_GOAWAY) {
            self(user).went_away = frame->goaway.error_code;
        } else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
            ++self(user).pongs;
        }
        return 0;
    }
    static ssize_t read(nghttp2_session*, std::int32_t id, std::uint8_t* out, std::size_t room, std::uint32_t*,
                        nghttp2_data_source*, void* user) {
        auto& bytes = self(user).outgoing_[id];
        const auto size = std::min(room, bytes.size());
        std::memcpy(out, bytes.data(), size);
        bytes.erase(0, size);
        return size == 0 ? static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED) : static_cast<ssize_t>(size);
    }
};

RawPeer::RawPeer(int port) : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    std::signal(SIGPIPE, SIG_IGN);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

RawPeer::~RawPeer() {
    nghttp2_session_del(session_);
    ::close(socket_);
}

bool RawPeer::shake_hands(const std::optional<Pem>& identity, const std::string& protocol) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (identity) {
        const std::unique_ptr<X509, decltype(&X509_free)> certificate{
            from_pem(identity->certificate, &PEM_read_bio_X509), &X509_free};
        const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{
            from_pem(identity->private_key, &PEM_read_bio_PrivateKey), &EVP_PKEY_free};
        SSL_CTX_use_certificate(context_.get(), certificate.get());
        SSL_CTX_use_PrivateKey(context_.get(), key.get());
    }
    tls_.reset(SSL_new(context_.get()));
    SSL_set_fd(tls_.get(), socket_);
    if (!protocol.empty()) {
        const auto list = static_cast<char>(protocol.size()) + protocol;
        SSL_set_alpn_protos(tls_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned int>(list.size()));
    }
    const bool done = SSL_connect(tls_.get()) == 1;
    ERR_clear_error();
    return done;
}

std::string RawPeer::server_fingerprint() const {
    std::array<unsigned char, 32> out{};
    unsigned int size = 0;
    const std::unique_ptr<X509, decltype(&X509_free)> certificate{SSL_get1_peer_certificate(tls_.get()), &X509_free};
    X509_digest(certificate.get(), EVP_sha256(), out.data(), &size);
    return std::string{view_of(out.data(), size)};
}

bool RawPeer::session_is_resumable() const {
    return SSL_SESSION_is_resumable(SSL_get_session(tls_.get())) == 1;
}

void RawPeer::hang_up() {
    ::shutdown(socket_, SHUT_RDWR);
}

bool RawPeer::is_closed_within(std::chrono::milliseconds limit) {
    pollfd watched{socket_, POLLIN, 0};
    char byte = 0;
    return ::poll(&watched, 1, static_cast<int>(limit.count())) == 1 && ::recv(socket_, &byte, 1, 0) <= 0;
}

void RawPeer::send_bytes(std::string_view bytes) {
    if (tls_) {
        std::size_t written = 0;
        SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &written);
        ERR_clear_error();
    } else {
        [[maybe_unused]] const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
}

void RawPeer::begin_http2() {
    if (session_ != nullptr) {
        return;
    }
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::closed);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::frame);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry initial_window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &initial_window, 1);
}

std::int32_t RawPeer::call(const Headers& headers) {
    begin_http2();
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : headers) {
        const auto bytes = [](const std::string& text) {
            return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
        };
        list.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    nghttp2_data_provider provider{};
    provider.read_callback = &Callbacks::read;
    const auto id = nghttp2_submit_request(session_, nullptr, list.data(), list.size(), &provider, nullptr);
    REQUIRE(id > 0);
    outgoing_[id];
    return id;
}

void RawPeer::send(std::int32_t stream, std::string_view bytes) {
    outgoing_[stream].append(bytes);
    nghttp2_session_resume_data(session_, stream);
}

void RawPeer::reset(std::int32_t stream) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

void RawPeer::ping() {
    begin_http2();
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

void RawPeer::update_keys() {
    SSL_key_update(tls_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(tls_.get());
    ERR_clear_error();
}

bool RawPeer::flush() {
    const std::uint8_t* bytes = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;) {
        for (std::size_t done = 0, written = 0; done < static_cast<std::size_t>(size); done += written) {
            if (SSL_write_ex(tls_.get(), bytes + done, static_cast<std::size_t>(size) - done, &written) != 1) {
                ERR_clear_error();
                return false;
            }
        }
    }
    return true;
}

void RawPeer::read_some() {
    std::array<std::uint8_t, 16'384> buffer{};
    std::size_t size = 0;
    if (SSL_read_ex(tls_.get(), buffer.data(), buffer.size(), &size) != 1) {
        ERR_clear_error();
        cut = true;
    } else if (session_ != nullptr && nghttp2_session_mem_recv(session_, buffer.data(), size) < 0) {
        cut = true;
    }
}

bool RawPeer::exchange_until(const std::function<bool()>& done, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!done()) {
        if (cut || std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        if (session_ != nullptr && !flush()) {
            cut = true;
            continue;
        }
        pollfd watched{socket_, POLLIN, 0};
        if (SSL_pending(tls_.get()) > 0 || ::poll(&watched, 1, 20) > 0) {
            read_some();
        }
    }
    return true;
}

}  // namespace mimamori::test
