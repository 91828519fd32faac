#include "bench/load/tls_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace mimamori::bench {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// What the agent offers: its key exchange and ciphers decide what a handshake and a byte cost the gateway.
constexpr const char* suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "P-256";
constexpr std::array<unsigned char, 3> protocols{2, 'h', '2'};

Bio bio_of(const std::string& pem) {
    return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free};
}

std::string tls_error() {
    const auto* reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return reason == nullptr ? "unknown error of TLS" : reason;
}

bool is_number(const std::string& host) {
    in6_addr address{};
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 || ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

base::Expected<Target> find_target(const std::string& authority, const std::string& ca_pem) {
    const auto refused = [](std::string what) { return base::failure(base::FailureKind::refused, std::move(what)); };
    Target out;
    const auto colon = authority.rfind(':');
    if (colon == std::string::npos || colon == 0) {
        return refused(fmt::format("--address {}: it must be host:port", authority));
    }
    out.authority = authority;
    out.host = authority.substr(0, colon);
    if (out.host.front() == '[' && out.host.back() == ']') {
        out.host = out.host.substr(1, out.host.size() - 2);
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(out.host.c_str(), authority.c_str() + colon + 1, &hints, &list); error != 0) {
        return refused(fmt::format("--address {}: {}", authority, ::gai_strerror(error)));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found{list, &::freeaddrinfo};
    for (const auto* one = list; one != nullptr; one = one->ai_next) {
        std::memcpy(&out.addresses.emplace_back().bytes, one->ai_addr, one->ai_addrlen);
        out.addresses.back().size = one->ai_addrlen;
    }

    out.tls.reset(SSL_CTX_new(TLS_client_method()));
    auto* tls = out.tls.get();
    const Certificate ca{PEM_read_bio_X509(bio_of(ca_pem).get(), nullptr, nullptr, nullptr), &X509_free};
    if (tls == nullptr || !ca || X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca.get()) != 1 ||
        SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 || SSL_CTX_set_ciphersuites(tls, suites) != 1 ||
        SSL_CTX_set1_groups_list(tls, groups) != 1 ||
        SSL_CTX_set_alpn_protos(tls, protocols.data(), protocols.size()) != 0) {
        return refused("cannot prepare TLS: " + tls_error());
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(tls,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(tls, 1);
    return out;
}

TlsSocket::TlsSocket(const Target& target, const agent::uplink::Identity& identity, Poller& poller, std::uint64_t tag)
    : target_{target}, poller_{poller}, tag_{tag}, tls_{SSL_new(target.tls.get()), &SSL_free} {
    const Certificate certificate{PEM_read_bio_X509(bio_of(identity.certificate_pem).get(), nullptr, nullptr, nullptr),
                                  &X509_free};
    const Key key{PEM_read_bio_PrivateKey(bio_of(identity.key_pem).get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
    auto* tls = tls_.get();
    const auto* host = target.host.c_str();
    const bool named =
        tls != nullptr &&
        (is_number(target.host) ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1
                                : SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1);
    if (!named || !certificate || !key || SSL_use_certificate(tls, certificate.get()) != 1 ||
        SSL_use_PrivateKey(tls, key.get()) != 1) {
        failed_ = "cannot prepare TLS: " + tls_error();
        return;
    }
    ERR_clear_error();
    SSL_set_connect_state(tls);
    connect_next();
}

TlsSocket::~TlsSocket() {
    if (open_ && failed_.empty()) {
        SSL_shutdown(tls_.get());
        ERR_clear_error();
    }
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void TlsSocket::connect_next() {
    while (next_address_ < target_.addresses.size()) {
        const auto& address = target_.addresses[next_address_++];
        if (fd_ >= 0) {
            ::close(fd_);
        }
        fd_ = ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int at_once = 1;
        if (fd_ >= 0 && ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once) == 0 &&
            (::connect(fd_, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0 ||
             errno == EINPROGRESS) &&
            SSL_set_fd(tls_.get(), fd_) == 1) {
            failed_.clear();
            poller_.add(fd_, tag_, true);
            asks_for_writing_ = true;
            return;
        }
        failed_ = std::strerror(errno);
    }
    failed_ = fmt::format("cannot connect to {}: {}", target_.authority, failed_);
}

void TlsSocket::connect_on() {
    if (open_ || !failed_.empty()) {
        return;
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        failed_ = std::strerror(error);
        connect_next();
        return;
    }
    if (!is_progress(SSL_do_handshake(tls_.get()))) {
        return;
    }
    const unsigned char* protocol = nullptr;
    unsigned int length = 0;
    SSL_get0_alpn_selected(tls_.get(), &protocol, &length);
    if (length != 2 || std::memcmp(protocol, "h2", 2) != 0) {
        fail("does not speak HTTP/2");
        return;
    }
    open_ = true;
    SSL_certs_clear(tls_.get());  // they have been shown
    ask_for_writing(false);
}

std::size_t TlsSocket::read(char* to, std::size_t size) {
    const int count = SSL_read(tls_.get(), to, static_cast<int>(size));
    return is_progress(count) ? static_cast<std::size_t>(count) : 0;
}

bool TlsSocket::has_more() const {
    return failed_.empty() && SSL_has_pending(tls_.get()) == 1;
}

std::size_t TlsSocket::write(std::string_view bytes) {
    std::size_t taken = 0;
    while (taken < bytes.size()) {
        const int count = SSL_write(tls_.get(), bytes.data() + taken, static_cast<int>(bytes.size() - taken));
        if (!is_progress(count)) {
            return taken;
        }
        taken += static_cast<std::size_t>(count);
    }
    ask_for_writing(false);
    return taken;
}

bool TlsSocket::is_progress(int result) {
    if (result > 0) {
        return true;
    }
    const int system_error = errno;
    switch (SSL_get_error(tls_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            if (!open_) {
                ask_for_writing(false);
            }
            break;
        case SSL_ERROR_WANT_WRITE:
            ask_for_writing(true);
            break;
        case SSL_ERROR_ZERO_RETURN:
            fail("closed the connection");
            break;
        case SSL_ERROR_SYSCALL:
            fail(system_error == 0 ? "closed the connection" : std::strerror(system_error));
            break;
        default:
            if (const auto verified = SSL_get_verify_result(tls_.get()); verified != X509_V_OK) {
                fail(fmt::format("shows a certificate that is not trusted: {}",
                                 X509_verify_cert_error_string(verified)));
            } else {
                fail(tls_error());
            }
    }
    ERR_clear_error();
    return false;
}

void TlsSocket::fail(std::string_view what) {
    failed_ = fmt::format("the gateway at {}: {}", target_.authority, what);
}

void TlsSocket::ask_for_writing(bool for_writing) {
    if (std::exchange(asks_for_writing_, for_writing) != for_writing) {
        poller_.change(fd_, tag_, for_writing);
    }
}

}  // namespace mimamori::bench
