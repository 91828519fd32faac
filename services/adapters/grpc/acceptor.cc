#include "adapters/grpc/acceptor.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>

namespace mimamori::adapters::grpc {
namespace {

constexpr int backlog = 4096;  // the kernel takes its own limit where that is lower
constexpr int tick_ms = 250;
constexpr int without_descriptors_ms = 100;
constexpr int at_once = 64;

std::string name_of(const sockaddr* address, socklen_t size) {
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    if (::getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(),
                      NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return "unknown";
    }
    const bool v6 = std::strchr(host.data(), ':') != nullptr;
    return v6 ? fmt::format("[{}]:{}", host.data(), port.data()) : fmt::format("{}:{}", host.data(), port.data());
}

}  // namespace

Acceptor::Acceptor(Uses uses) : uses_{std::move(uses)} {}

Acceptor::~Acceptor() {
    stop();
    for (const int fd : {socket_, bell_}) {
        if (fd >= 0) {
            ::close(fd);
        }
    }
}

base::Expected<void> Acceptor::listen(const std::string& address) {
    const auto fail = [&](std::string_view what) {
        return base::failure(
            base::FailureKind::retry,
            fmt::format("cannot listen on {}: {}: is the address right and the port free?", address, what));
    };
    const auto colon = address.rfind(':');
    auto host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    if (colon == std::string::npos ||
        ::getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0) {
        return fail("no such address");
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> where{found, &::freeaddrinfo};
    socket_ = ::socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int on = 1;
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (socket_ < 0 || bell_ < 0 || ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(socket_, where->ai_addr, where->ai_addrlen) != 0 || ::listen(socket_, backlog) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
        return fail(std::strerror(errno));
    }
    port_ = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                              : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
    return {};
}

void Acceptor::start() {
    thread_ = std::thread{[this] { run(); }};
}

void Acceptor::stop() {
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(bell_, &one, sizeof one);
        thread_.join();
    }
}

void Acceptor::run() {
    using Clock = std::chrono::steady_clock;
    auto next_tick = Clock::now();
    bool descriptors = true;
    while (true) {
        std::array<pollfd, 2> watched{{{bell_, POLLIN, 0}, {socket_, POLLIN, 0}}};
        ::poll(watched.data(), descriptors ? 2 : 1, descriptors ? tick_ms : without_descriptors_ms);
        if (watched[0].revents != 0) {
            return;
        }
        descriptors = accept_some();
        if (Clock::now() >= next_tick) {
            next_tick = Clock::now() + std::chrono::milliseconds{tick_ms};
            uses_.tick();
        }
    }
}

// False: this process may have no more descriptors, or the machine no more memory for sockets.
bool Acceptor::accept_some() {
    for (int i = 0; i < at_once; ++i) {
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        const int socket = ::accept4(socket_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                return true;
            }
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                uses_.report(fmt::format("no connection can be taken now: {}", std::strerror(errno)));
                return false;
            }
            continue;  // that one was gone before we came
        }
        auto name = name_of(reinterpret_cast<const sockaddr*>(&peer), size);
        if (!uses_.has_room()) {
            uses_.report(fmt::format("too many connections: {} is sent away", name));
            ::close(socket);
            continue;
        }
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        uses_.take(socket, std::move(name));
    }
    return true;
}

}  // namespace mimamori::adapters::grpc
