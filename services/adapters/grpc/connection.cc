#include "adapters/grpc/connection.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "adapters/grpc/tls.h"

namespace mimamori::adapters::grpc {
namespace {

constexpr std::size_t record_bytes = 16'384;  // the most that one TLS record holds
constexpr int reads_at_once = 8;              // then the others have their turn

}  // namespace

Connection::Connection(int socket, std::string peer, SSL_CTX& tls, ServerContext& context, ConnectionOwner& owner)
    : context_{context},
      owner_{owner},
      socket_{socket},
      peer_{std::move(peer)},
      tls_{SSL_new(&tls), &SSL_free},
      opened_{std::chrono::steady_clock::now()},
      heard_{opened_},
      without_streams_since_{opened_} {
    if (tls_) {
        SSL_set_fd(tls_.get(), socket_);
        SSL_set_accept_state(tls_.get());
        bound_key_updates(tls_.get(), &key_updates_);
    }
}

Connection::~Connection() {
    http2_.reset();
    if (tls_ && !broken_) {
        ERR_clear_error();
        SSL_shutdown(tls_.get());
        ERR_clear_error();
    }
    ::close(socket_);
    context_.open_connections.fetch_sub(1, std::memory_order_relaxed);
}

bool Connection::shake_hands() {
    ERR_clear_error();
    const int done = tls_ ? SSL_do_handshake(tls_.get()) : -1;
    if (done == 1) {
        return begin_http2();
    }
    const int why = tls_ ? SSL_get_error(tls_.get(), done) : SSL_ERROR_SSL;
    if (why == SSL_ERROR_WANT_READ) {
        return true;
    }
    broken_ = true;
    const auto verdict = tls_ ? SSL_get_verify_result(tls_.get()) : X509_V_OK;
    auto what = tls_errors();
    if (verdict != X509_V_OK) {
        what += fmt::format("; {}", X509_verify_cert_error_string(verdict));
    }
    // Not who only looked whether the port is open: scanners, and our own probe.
    if (!what.empty() && what != "unexpected eof while reading" &&
        what.find("peer did not return a certificate") == std::string::npos) {
        owner_.report(fmt::format("TLS handshake with {}: {}", peer_, what));
    }
    return false;
}

bool Connection::begin_http2() {
    const unsigned char* protocol = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(tls_.get(), &protocol, &size);
    const auto certificate = read_certificate(SSL_get0_peer_certificate(tls_.get()));
    if (size == 0 || !certificate) {
        owner_.report(fmt::format("{} does not ask for HTTP/2", peer_));
        return false;
    }
    StreamOwner& self = *this;
    certificate_ends_ = certificate->not_after;
    http2_ = std::make_unique<Http2Session>(context_, self, *certificate, peer_);
    if (draining_) {
        http2_->go_away();
    }
    return flush();
}

bool Connection::read(Time now) {
    has_more_ = false;
    if (!http2_ && !shake_hands()) {
        return false;
    }
    if (!http2_) {
        return true;
    }
    static thread_local std::array<char, record_bytes> buffer;
    for (int i = 1; true; ++i) {
        ERR_clear_error();
        std::size_t size = 0;
        const int done = SSL_read_ex(tls_.get(), buffer.data(), buffer.size(), &size);
        if (done != 1) {
            const int why = SSL_get_error(tls_.get(), done);
            if (why == SSL_ERROR_WANT_READ) {
                break;
            }
            // Wanting to write here is the answer to a key update that finds no room: no agent of ours asks for that.
            broken_ = why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL;
            return false;
        }
        heard_ = now;
        asked_.reset();
        key_updates_ = 0;
        if (!http2_->receive({buffer.data(), size})) {
            return false;
        }
        if (size < buffer.size() && SSL_has_pending(tls_.get()) == 0) {
            break;  // most likely that was all: spares asking the socket once more
        }
        if (i == reads_at_once) {
            has_more_ = true;
            break;
        }
    }
    return flush();
}

bool Connection::flush() {
    static thread_local std::string buffer;
    while (true) {
        auto& bytes = unsent_.empty() ? buffer : unsent_;
        if (unsent_.empty()) {
            buffer.clear();
            if (!http2_->produce(buffer, record_bytes)) {
                return false;
            }
            if (buffer.empty()) {
                break;
            }
        }
        ERR_clear_error();
        std::size_t size = 0;
        const int done = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &size);
        if (done != 1) {
            const int why = SSL_get_error(tls_.get(), done);
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
                broken_ = true;
                return false;
            }
            size = 0;
        }
        if (size > 0) {
            stuck_since_.reset();
        }
        if (size < bytes.size()) {
            unsent_ = bytes.substr(size);
        } else if (&bytes == &unsent_) {
            std::string{}.swap(unsent_);
        }
        if (done != 1) {
            break;
        }
    }
    if (!unsent_.empty() && !stuck_since_) {
        stuck_since_ = std::chrono::steady_clock::now();
    }
    if (const bool wait = !unsent_.empty(); wait != std::exchange(waits_for_room_, wait)) {
        owner_.wait_for_room(*this, wait);
    }
    return !(unsent_.empty() && (http2_->finished() || (draining_ && http2_->streams() == 0)));
}

bool Connection::serve(UplinkStream& stream) {
    return http2_->serve(stream) && flush();
}

bool Connection::drain() {
    draining_ = true;
    if (!http2_) {
        return false;
    }
    http2_->go_away();
    return flush();
}

bool Connection::sweep(Time now) {
    const auto& settings = context_.settings;
    if (!http2_) {
        return now - opened_ < settings.handshake_limit;
    }
    const bool ended =
        base::Time{std::chrono::duration_cast<base::Micros>(std::chrono::system_clock::now().time_since_epoch())} >
        certificate_ends_;
    if (ended || http2_->is_overdue(now - settings.finish_limit) ||
        (stuck_since_ && now - *stuck_since_ > settings.keepalive_timeout)) {
        return false;
    }
    if (http2_->streams() > 0) {
        without_streams_since_ = now;
    } else if (now - without_streams_since_ > settings.idle_limit) {
        return false;
    }
    if (asked_) {
        return now - *asked_ < settings.keepalive_timeout;
    }
    if (now - heard_ < settings.keepalive_time) {
        return true;
    }
    asked_ = now;
    http2_->ping();
    return flush();
}

}  // namespace mimamori::adapters::grpc
