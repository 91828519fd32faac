// The listening socket, and a thread that takes connections and deals them out. When descriptors run out it waits, and
// the kernel keeps who knocks meanwhile. Private to this folder.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/failure.h"

namespace mimamori::adapters::grpc {

class Acceptor {
  public:
    struct Uses {
        std::function<bool()> has_room;  // for one more connection; otherwise it is closed at once
        std::function<void(int socket, std::string peer)> take;
        std::function<void()> tick;  // a few times a second
        std::function<void(const std::string&)> report;
    };
    explicit Acceptor(Uses uses);
    ~Acceptor();
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;

    base::Expected<void> listen(
        const std::string& address);  // "127.0.0.1:8443", "[::]:8443"; port 0: the kernel's choice
    int port() const { return port_; }
    void start();
    void stop();

  private:
    void run();
    bool accept_some();

    const Uses uses_;
    int socket_ = -1, bell_ = -1, port_ = 0;
    std::thread thread_;
};

}  // namespace mimamori::adapters::grpc
