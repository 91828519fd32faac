// A TCP connection to the gateway with TLS 1.3 on it: both sides show a certificate, HTTP/2 is agreed on. Nonblocking;
// its thread's poller says when to go on. Not what is said on it: that is connection.h's.
#pragma once

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "appliance-agent/uplink/certificates.h"
#include "base/failure.h"
#include "bench/load/poller.h"

namespace mimamori::bench {

struct Address {
    sockaddr_storage bytes{};
    socklen_t size = 0;
};

// Where all appliances connect to and whom they trust.
struct Target {
    std::string authority;  // as given, "gateway.example.jp:8443"
    std::string host;       // the name that the gateway's certificate must have
    std::vector<Address> addresses;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls{nullptr, &SSL_CTX_free};
};

base::Expected<Target> find_target(const std::string& authority, const std::string& ca_pem);

class TlsSocket {
  public:
    // Begins to connect at once; tries the addresses in turn.
    TlsSocket(const Target& target, const agent::uplink::Identity& identity, Poller& poller, std::uint64_t tag);
    ~TlsSocket();
    TlsSocket(const TlsSocket&) = delete;
    TlsSocket& operator=(const TlsSocket&) = delete;

    void connect_on();  // goes on with connecting, when the poller has named it
    bool is_open() const { return open_; }
    const std::string& failed() const { return failed_; }  // why it is of no more use; empty: it is

    // Only when open.
    std::size_t read(char* to, std::size_t size);  // 0: nothing now
    bool has_more() const;                         // has read ahead: the poller will not tell of it again
    // How much was taken. The rest must come first the next time, when the poller has named the socket.
    std::size_t write(std::string_view bytes);

  private:
    void connect_next();
    bool is_progress(int result);  // false: not now, or failed
    void fail(std::string_view what);
    void ask_for_writing(bool for_writing);

    const Target& target_;
    Poller& poller_;
    const std::uint64_t tag_;
    std::unique_ptr<SSL, decltype(&SSL_free)> tls_;
    int fd_ = -1;
    std::size_t next_address_ = 0;
    bool open_ = false, asks_for_writing_ = false;
    std::string failed_;
};

}  // namespace mimamori::bench
