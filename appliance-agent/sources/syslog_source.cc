#include "appliance-agent/sources/syslog_source.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "appliance-agent/sources/fields.h"

namespace mimamori::agent::sources {
namespace {

constexpr std::size_t datagram_bytes = 64 << 10;  // none is longer
constexpr std::size_t turn_bytes = 16 << 10;      // of one connection before the next one's turn
constexpr std::chrono::seconds retry_after{1};
constexpr int waiting_connections = 16;
constexpr std::size_t connection_costs =
    1024;  // bytes' worth of a turn: who only comes and goes must not fill it for good

struct SocketAddress {
    sockaddr_storage bytes{};
    socklen_t size = 0;
};

SocketAddress address_of(const ListenOptions& listen) {
    SocketAddress out;
    if (listen.ip.find(':') == std::string::npos) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&out.bytes);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(listen.port);
        ::inet_pton(AF_INET, listen.ip.c_str(), &v4->sin_addr);
        out.size = sizeof *v4;
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.bytes);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(listen.port);
        ::inet_pton(AF_INET6, listen.ip.c_str(), &v6->sin6_addr);
        out.size = sizeof *v6;
    }
    return out;
}

// In the 16-byte form of domain::Address, an IPv4 address mapped.
domain::Address peer_address(const sockaddr_storage& peer) {
    domain::Address out{};
    if (peer.ss_family == AF_INET) {
        out[10] = out[11] = 0xFF;
        std::memcpy(out.data() + 12, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, 4);
    } else if (peer.ss_family == AF_INET6) {
        std::memcpy(out.data(), &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr, out.size());
    }
    return out;
}

tl::unexpected<base::Failure> cannot(std::string_view what, const std::string& name, int error) {
    return base::failure(error == EADDRINUSE ? base::FailureKind::conflict : base::FailureKind::retry,
                         fmt::format("cannot {} {}: {}", what, name, std::strerror(error)));
}

bool would_wait(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

std::unique_ptr<Source> listen_for_syslog(LineFormat format, SourceOptions options, ListenOptions listen) {
    return std::make_unique<SyslogSource>(format, std::move(options), std::move(listen));
}

base::Expected<File> open_listener(const ListenOptions& listen, const std::string& name) {
    const auto address = address_of(listen);
    File out(
        ::socket(address.bytes.ss_family, (listen.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!out.is_open()) {
        return cannot("open a socket for", name, errno);
    }
    const int one = 1;
    const auto buffer = static_cast<int>(std::min<std::size_t>(listen.receive_buffer_bytes, 1 << 30));
    if (listen.tcp) {
        ::setsockopt(out.descriptor(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    ::setsockopt(out.descriptor(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (::bind(out.descriptor(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size) != 0) {
        return cannot("listen on", name, errno);
    }
    if (listen.tcp && ::listen(out.descriptor(), waiting_connections) != 0) {
        return cannot("listen on", name, errno);
    }
    return out;
}

SyslogSource::SyslogSource(LineFormat format, SourceOptions options, ListenOptions listen)
    : options_(std::move(options)),
      listen_(std::move(listen)),
      entries_(format, options_),
      sink_([this](const Frame& frame) { take(frame); }) {}

base::Expected<void> SyslogSource::open() {
    ready_ = File(::epoll_create1(EPOLL_CLOEXEC));
    if (!ready_.is_open()) {
        return cannot("listen on", options_.path, errno);
    }
    auto socket = open_listener(listen_, options_.path);
    if (!socket) {
        return tl::unexpected(socket.error());
    }
    if (!watch(socket->descriptor())) {
        return cannot("listen on", options_.path, errno);
    }
    socket_ = std::move(*socket);
    return {};
}

bool SyslogSource::watch(int descriptor) {
    epoll_event what{};
    what.events = EPOLLIN;
    what.data.fd = descriptor;
    return ::epoll_ctl(ready_.descriptor(), EPOLL_CTL_ADD, descriptor, &what) == 0;
}

base::Expected<ReadState> SyslogSource::read_some(std::size_t max_bytes, base::Time now, std::vector<Produced>& out) {
    now_ = now;
    out_ = &out;
    if (try_again_at_ && now < *try_again_at_) {
        return ReadState::caught_up;
    }
    try_again_at_.reset();
    auto state =
        socket_.is_open() ? base::Expected<ReadState>{ReadState::more} : open().map([] { return ReadState::more; });
    if (state) {
        state = read_ready(std::max<std::size_t>(max_bytes, 1));
    }
    if (!state) {
        entries_.stats.last_trouble = state.error().what;
        try_again_at_ = now + retry_after;
    }
    return state;
}

base::Expected<ReadState> SyslogSource::read_ready(std::size_t max_bytes) {
    std::size_t done = 0;
    while (done < max_bytes) {
        std::array<epoll_event, 16> ready{};
        const int count = ::epoll_wait(ready_.descriptor(), ready.data(), static_cast<int>(ready.size()), 0);
        if (count <= 0) {
            end_idle();
            count_lost();
            return ReadState::caught_up;
        }
        for (int i = 0; i < count; ++i) {
            const int descriptor = ready[static_cast<std::size_t>(i)].data.fd;
            if (descriptor != socket_.descriptor()) {
                const auto found = connections_.find(descriptor);
                const auto bytes = found == connections_.end() ? 0 : read_connection(found->second);
                if (bytes == 0) {
                    end(descriptor);
                }
                done += bytes == 0 ? connection_costs : bytes;
            } else if (!listen_.tcp) {
                done += read_datagrams(max_bytes - std::min(done, max_bytes));
            } else if (auto accepted = accept_waiting(); !accepted) {
                return tl::unexpected(accepted.error());
            } else {
                done += connection_costs;
            }
        }
    }
    count_lost();
    return ReadState::more;
}

std::size_t SyslogSource::read_datagrams(std::size_t max_bytes) {
    buffer_.resize(datagram_bytes);
    std::size_t done = 0;
    while (done < max_bytes) {
        SocketAddress peer;
        peer.size = sizeof peer.bytes;
        const auto got = ::recvfrom(socket_.descriptor(), buffer_.data(), buffer_.size(), 0,
                                    reinterpret_cast<sockaddr*>(&peer.bytes), &peer.size);
        if (got < 0) {
            return std::max<std::size_t>(done, 1);
        }
        const auto size = static_cast<std::size_t>(got);
        done += std::max<std::size_t>(size, 1);
        if (size == 0 || !is_allowed(peer.bytes)) {
            continue;
        }
        entries_.stats.bytes += size;
        const bool too_long = size > options_.max_line_bytes;
        const auto text = std::string_view(buffer_).substr(0, size);
        const auto end = text.find_last_not_of(std::string_view("\r\n\0", 3));  // some senders end a line all the same
        take(Frame{.offset = 0,
                   .size = size,
                   .text = text.substr(0, too_long ? kept_bytes() : end + 1),
                   .fault = too_long ? FrameFault::too_long : FrameFault::none});
    }
    return done;
}

base::Expected<void> SyslogSource::accept_waiting() {
    for (int i = 0; i < waiting_connections; ++i) {
        SocketAddress peer;
        peer.size = sizeof peer.bytes;
        File socket(::accept4(socket_.descriptor(), reinterpret_cast<sockaddr*>(&peer.bytes), &peer.size,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket.is_open()) {
            // What came and went again is no trouble; without descriptors the loop must not spin on it.
            return would_wait(errno) || errno == ECONNABORTED ? base::Expected<void>{}
                                                              : cannot("take connections of", options_.path, errno);
        }
        if (!is_allowed(peer.bytes)) {
            continue;
        }
        if (connections_.size() >= listen_.max_connections) {
            ++entries_.stats.connections_over;
            entries_.stats.last_trouble =
                fmt::format("{}: a connection was refused: {} are open already", options_.path, connections_.size());
            continue;
        }
        const int descriptor = socket.descriptor();
        if (watch(descriptor)) {
            connections_.emplace(
                descriptor, Connection{std::move(socket), SyslogStream(options_.max_line_bytes, kept_bytes()), now_});
        }
    }
    return {};
}

std::size_t SyslogSource::read_connection(Connection& connection) {
    buffer_.resize(turn_bytes);
    const auto got = ::recv(connection.socket.descriptor(), buffer_.data(), buffer_.size(), 0);
    if (got < 0 && would_wait(errno)) {
        return 1;
    }
    if (got <= 0) {
        return 0;
    }
    const auto size = static_cast<std::size_t>(got);
    connection.last = now_;
    entries_.stats.bytes += size;
    return connection.stream.feed(std::string_view(buffer_).substr(0, size), sink_) ? size : 0;
}

void SyslogSource::end(int descriptor) {
    const auto found = connections_.find(descriptor);
    if (found != connections_.end()) {
        found->second.stream.finish(sink_);
        connections_.erase(found);
    }
}

void SyslogSource::end_idle() {
    for (auto next = connections_.begin(); next != connections_.end();) {
        const auto current = next++;
        if (now_ - current->second.last > listen_.idle_limit) {
            ++entries_.stats.connections_idle;
            end(current->first);
        }
    }
}

void SyslogSource::count_lost() {
    if (listen_.tcp || !socket_.is_open()) {
        return;
    }
    std::array<std::uint32_t, SK_MEMINFO_VARS> facts{};
    socklen_t size = sizeof facts;
    if (::getsockopt(socket_.descriptor(), SOL_SOCKET, SO_MEMINFO, facts.data(), &size) != 0) {
        return;
    }
    const std::uint32_t lost = facts[SK_MEMINFO_DROPS] - std::exchange(lost_before_, facts[SK_MEMINFO_DROPS]);
    if (lost != 0) {
        entries_.stats.datagrams_lost += lost;
        entries_.stats.last_trouble = fmt::format("{}: {} datagrams were lost because the kernel's buffer was full",
                                                  options_.path, entries_.stats.datagrams_lost);
    }
}

bool SyslogSource::is_allowed(const sockaddr_storage& peer) {
    const auto address = peer_address(peer);
    if (listen_.allow.empty() || std::any_of(listen_.allow.begin(), listen_.allow.end(),
                                             [&](const auto& range) { return range.contains(address); })) {
        return true;
    }
    ++entries_.stats.peers_refused;
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET6, address.data(), text.data(), text.size());
    entries_.stats.last_trouble =
        fmt::format("{}: {} is not allowed to send", options_.path, address_text(text.data()));
    return false;
}

void SyslogSource::take(const Frame& frame) {
    ++entries_.stats.lines;
    const auto reject = [&](std::string_view reason) {
        out_->push_back(entries_.rejected(frame.text, frame.size, frame.fault == FrameFault::too_long, reason));
    };
    switch (frame.fault) {
        case FrameFault::none:
            if (auto entry = entries_.of_line(frame.text, frame.size)) {
                out_->push_back(*std::move(entry));
            }
            break;
        case FrameFault::too_long:
            ++entries_.stats.overlong;
            reject(fmt::format("longer than {} bytes", options_.max_line_bytes));
            break;
        case FrameFault::bad_count:
            reject("no octet count where one must stand: the connection was closed");
            break;
        case FrameFault::not_an_object:
        case FrameFault::broken_off:
            reject("broken off: the connection ended inside the message");
            break;
    }
}

void SyslogSource::release_held(std::vector<Produced>& out) {
    out_ = &out;
    if (socket_.is_open()) {
        (void)read_ready(max_stop_bytes);
    }
    while (!connections_.empty()) {
        end(connections_.begin()->first);
    }
    socket_ = File{};
    ready_ = File{};
}

SourceStats SyslogSource::stats() const {
    auto out = entries_.stats;
    out.connections = connections_.size();
    return out;
}

}  // namespace mimamori::agent::sources
