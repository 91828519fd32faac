#include "adapters/grpc/io_thread.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace mimamori::adapters::grpc {
namespace {

constexpr std::chrono::milliseconds sweep_interval{1000};  // goes over all connections, and their memory is cold
constexpr std::size_t events_at_once = 256;

}  // namespace

IoThread::IoThread(ServerContext& context, std::function<void(const std::string&)> report)
    : context_{context}, report_{std::move(report)} {}

IoThread::~IoThread() {
    drain(std::chrono::steady_clock::now());
    join();
    for (const auto& newcomer : newcomers_) {
        turn_away(newcomer);
    }
    for (const int fd : {epoll_, bell_}) {
        if (fd >= 0) {
            ::close(fd);
        }
    }
}

base::Expected<void> IoThread::start() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    bell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    if (epoll_ < 0 || bell_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, bell_, &event) != 0) {
        return base::failure(base::FailureKind::retry, fmt::format("cannot watch sockets: {}", std::strerror(errno)));
    }
    thread_ = std::thread{[this] { run(); }};
    return {};
}

void IoThread::join() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

template <class Posted>
void IoThread::post(std::vector<Posted>& list, Posted item) {
    const std::lock_guard lock{mutex_};
    list.push_back(std::move(item));
    wake();
}

void IoThread::wake() {
    if (!std::exchange(rung_, true)) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(bell_, &one, sizeof one);
    }
}

void IoThread::adopt(int socket, std::string peer, SslContext tls) {
    context_.open_connections.fetch_add(1, std::memory_order_relaxed);
    post(newcomers_, Newcomer{socket, std::move(peer), std::move(tls)});
}

void IoThread::look_after(Connection& connection, std::shared_ptr<UplinkStream> stream) {
    post(calls_, Call{&connection, std::move(stream)});
}

void IoThread::drain(Connection::Time deadline) {
    const std::lock_guard lock{mutex_};
    deadline_ = deadline_ ? std::min(*deadline_, deadline) : deadline;
    wake();
}

void IoThread::wait_for_room(Connection& connection, bool wait) {
    epoll_event event{.events = EPOLLIN | (wait ? EPOLLOUT : 0U), .data = {.ptr = &connection}};
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.socket(), &event);
}

void IoThread::run() {
    sigset_t pipe;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);  // OpenSSL writes to sockets that may be closed
    auto next_sweep = std::chrono::steady_clock::now() + sweep_interval;
    while (!draining_until_ || !connections_.empty()) {
        wait(next_sweep);
        take_what_was_asked();
        const auto now = std::chrono::steady_clock::now();
        for (auto* connection : std::exchange(unread_, {})) {
            keep_or_drop(*connection, connection->read(now));
        }
        if (draining_until_ && now >= *draining_until_) {
            strangers_.clear();
            unread_.clear();
            connections_.clear();
        } else if (now >= next_sweep) {
            next_sweep = now + sweep_interval;
            sweep(now);
        }
    }
}

void IoThread::wait(Connection::Time next_sweep) {
    const auto until = draining_until_ ? std::min(next_sweep, *draining_until_) : next_sweep;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    std::array<epoll_event, events_at_once> events;
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                   unread_.empty() ? static_cast<int>(std::max<std::int64_t>(0, left)) : 0);
    const auto now = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
            std::uint64_t rings = 0;
            [[maybe_unused]] const auto size = ::read(bell_, &rings, sizeof rings);
            continue;
        }
        auto& connection = *static_cast<Connection*>(event.data.ptr);
        const bool room = (event.events & EPOLLOUT) == 0 || connection.flush();
        const bool more = (event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0;  // also the end and errors
        keep_or_drop(connection, room && (!more || connection.read(now)));
    }
}

void IoThread::take_what_was_asked() {
    std::vector<Newcomer> newcomers;
    std::vector<Call> calls;
    bool begins_to_drain = false;
    {
        const std::lock_guard lock{mutex_};
        rung_ = false;
        newcomers.swap(newcomers_);
        calls.swap(calls_);
        begins_to_drain = deadline_ && !draining_until_;
        draining_until_ = deadline_;
    }
    for (auto& newcomer : newcomers) {
        take_in(std::move(newcomer));
    }
    for (const auto& [connection, stream] : calls) {
        if (!stream->ended()) {  // otherwise the connection may be gone
            keep_or_drop(*connection, connection->serve(*stream));
        }
    }
    if (begins_to_drain) {
        std::vector<Connection*> all;
        std::transform(connections_.begin(), connections_.end(), std::back_inserter(all),
                       [](const auto& one) { return one.first; });
        for (auto* connection : all) {
            keep_or_drop(*connection, connection->drain());
        }
    }
}

void IoThread::take_in(Newcomer newcomer) {
    if (draining_until_) {
        turn_away(newcomer);
        return;
    }
    if (context_.is_crowded() && !make_room(std::chrono::steady_clock::now())) {
        report(fmt::format("too many connections: {} is sent away", newcomer.peer));
        turn_away(newcomer);
        return;
    }
    ConnectionOwner& self = *this;
    auto connection =
        std::make_unique<Connection>(newcomer.socket, std::move(newcomer.peer), *newcomer.tls, context_, self);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = connection.get()}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, newcomer.socket, &event) != 0) {
        report(fmt::format("a connection cannot be watched: {}", std::strerror(errno)));
        return;
    }
    auto* key = connection.get();
    strangers_.emplace(key->opened(), key);
    connections_.emplace(key, std::move(connection));
}

// Who holds places without saying anything must not keep out who would.
bool IoThread::make_room(Connection::Time now) {
    if (strangers_.empty() || now - strangers_.begin()->first < context_.settings.crowded_limit) {
        return false;
    }
    keep_or_drop(*strangers_.begin()->second, false);
    return true;
}

void IoThread::turn_away(const Newcomer& newcomer) {
    ::close(newcomer.socket);
    context_.open_connections.fetch_sub(1, std::memory_order_relaxed);
}

void IoThread::sweep(Connection::Time now) {
    std::vector<Connection*> over;
    for (const auto& [key, connection] : connections_) {
        if (!connection->sweep(now)) {
            over.push_back(key);
        }
    }
    for (auto* connection : over) {
        keep_or_drop(*connection, false);
    }
}

void IoThread::keep_or_drop(Connection& connection, bool keep) {
    if (!strangers_.empty() && (!keep || connection.is_known())) {
        strangers_.erase({connection.opened(), &connection});
    }
    const auto in_unread = std::find(unread_.begin(), unread_.end(), &connection);
    if (!keep) {
        if (in_unread != unread_.end()) {
            unread_.erase(in_unread);
        }
        // Closing is not enough: a process that is just being started may hold the socket for a moment longer.
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.socket(), nullptr);
        connections_.erase(&connection);
    } else if (connection.has_more() && in_unread == unread_.end()) {
        unread_.push_back(&connection);
    }
}

}  // namespace mimamori::adapters::grpc
