#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "adapters/grpc/uplink_server.h"

namespace mimamori::adapters::grpc {
namespace {

class Socket {
  public:
    explicit Socket(int fd) : fd_{fd} {}
    ~Socket() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

}  // namespace

base::Expected<void> probe_listener(const std::string& host, int port, std::chrono::milliseconds timeout) {
    const auto fail = [&](std::string_view what) {
        return base::failure(base::FailureKind::retry, fmt::format("the listener on {}:{} {}", host, port, what));
    };
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), fmt::to_string(port).c_str(), &hints, &found) != 0) {
        return fail("has an address that is not known");
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> address{found, &::freeaddrinfo};
    const Socket socket{::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (socket.fd() < 0) {
        return fail(fmt::format("cannot be asked: {}", std::strerror(errno)));
    }
    const timeval wait{static_cast<time_t>(timeout.count() / 1000),
                       static_cast<suseconds_t>(timeout.count() % 1000 * 1000)};
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);  // bounds connect() too
    if (::connect(socket.fd(), address->ai_addr, address->ai_addrlen) != 0) {
        return fail(fmt::format("takes no connections: {}", std::strerror(errno)));
    }
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
    SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    SSL_CTX_set1_groups_list(context.get(), "P-256");
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);  // asked is whether it answers, not who it is
    const std::unique_ptr<SSL, decltype(&SSL_free)> session{SSL_new(context.get()), &SSL_free};
    SSL_set_fd(session.get(), socket.fd());
    const unsigned char h2[] = {2, 'h', '2'};
    SSL_set_alpn_protos(session.get(), h2, sizeof h2);
    const bool answered = SSL_connect(session.get()) == 1;
    ERR_clear_error();
    return answered ? base::Expected<void>{} : fail("does not complete a TLS handshake");
}

}  // namespace mimamori::adapters::grpc
