// A thread with its share of the connections: waits for their sockets (epoll), for what other threads want of their
// streams, and for the clock. Private to this folder.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "adapters/grpc/connection.h"
#include "adapters/grpc/tls.h"

namespace mimamori::adapters::grpc {

class IoThread final : private ConnectionOwner {
  public:
    IoThread(ServerContext& context, std::function<void(const std::string&)> report);
    ~IoThread() override;
    IoThread(const IoThread&) = delete;
    IoThread& operator=(const IoThread&) = delete;

    base::Expected<void> start();

    // Any thread. Takes the socket over; while the listener is crowded in the place of the oldest that has shown no
    // certificate yet though it had the time to, or not at all.
    void adopt(int socket, std::string peer, SslContext tls);
    // Lets streams end until `deadline`, then cuts them off. Returns at once; join() waits.
    void drain(Connection::Time deadline);
    void join();

  private:
    struct Newcomer {
        int socket;
        std::string peer;
        SslContext tls;
    };
    using Call = std::pair<Connection*, std::shared_ptr<UplinkStream>>;

    void look_after(Connection& connection, std::shared_ptr<UplinkStream> stream) override;
    void wait_for_room(Connection& connection, bool wait) override;
    void report(const std::string& what) override { report_(what); }

    void run();
    void wait(Connection::Time next_sweep);
    void take_what_was_asked();
    void take_in(Newcomer newcomer);
    void turn_away(const Newcomer& newcomer);
    bool make_room(Connection::Time now);
    void sweep(Connection::Time now);
    template <class Posted>
    void post(std::vector<Posted>& list, Posted item);
    void wake();
    void keep_or_drop(Connection& connection, bool keep);

    ServerContext& context_;
    const std::function<void(const std::string&)> report_;
    int epoll_ = -1, bell_ = -1;
    std::mutex mutex_;
    std::vector<Newcomer> newcomers_;
    std::vector<Call> calls_;
    std::optional<Connection::Time> deadline_;
    bool rung_ = false;
    // Below: the thread's own.
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
    std::set<std::pair<Connection::Time, Connection*>> strangers_;  // no certificate shown yet, by age
    std::vector<Connection*> unread_;  // with more to read, though their sockets may not say so
    std::optional<Connection::Time> draining_until_;
    std::thread thread_;
};

}  // namespace mimamori::adapters::grpc
