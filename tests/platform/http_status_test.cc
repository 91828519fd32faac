// The status pages over real sockets.
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "platform/http_status.h"

using namespace mimamori;

namespace {

class Client {
  public:
    explicit Client(std::uint16_t port) : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval patience{20, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    ~Client() { close(); }
    Client(Client&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    Client(const Client&) = delete;
    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }
    void send(std::string_view text) { REQUIRE(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())); }
    // Everything until the server closes.
    std::string rest() {
        std::string out;
        char piece[4096];
        for (ssize_t got = 0; (got = ::recv(fd_, piece, sizeof piece, 0)) > 0;) {
            out.append(piece, static_cast<std::size_t>(got));
        }
        return out;
    }
    bool has_answer(int wait_ms) {
        const timeval patience{wait_ms / 1000, wait_ms % 1000 * 1000};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        char byte = 0;
        return ::recv(fd_, &byte, 1, MSG_PEEK) == 1;
    }

  private:
    int fd_;
};

struct Pages {
    platform::Health health;
    platform::Metrics metrics;
    platform::HttpStatus status{health, metrics};
    Pages() { REQUIRE(status.start({"127.0.0.1", 0})); }
    std::string get(std::string_view path, std::string_view method = "GET") {
        Client client{status.port()};
        client.send(std::string{method} + " " + std::string{path} + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        return client.rest();
    }
};

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("ready follows the checks and gives their reasons; live does not") {
    Pages pages;
    auto postgres = pages.health.check("postgres");
    auto kafka = pages.health.check("kafka");
    CHECK(has(pages.get("/ready"), "503"));
    CHECK(has(pages.get("/ready"), "not started yet"));
    postgres.ok();
    kafka.bad("no broker \"answers\"\n");
    const auto half = pages.get("/ready");
    CHECK(has(half, "503"));
    CHECK(has(half, R"("kafka":{"ok":false,"reason":"no broker \"answers\"\n"},"postgres":{"ok":true,"reason":""})"));
    kafka.ok();
    CHECK(has(pages.get("/ready"), "200 OK"));
    pages.health.stopping();
    CHECK(has(pages.get("/ready"), "503"));
    CHECK(has(pages.get("/live"), "200 OK"));
}

TEST_CASE("metrics are served as Prometheus reads them") {
    Pages pages;
    pages.metrics.counter("mimamori_things_total", "Things.", {{"kind", "a"}}).Increment(3);
    pages.metrics.counter("mimamori_things_total", "Things.", {{"kind", "a"}}).Increment();
    pages.metrics.histogram("mimamori_wait_seconds", "Waits.", {0.1, 1}).Observe(0.5);
    const auto text = pages.get("/metrics");
    CHECK(has(text, "text/plain; version=0.0.4"));
    CHECK(has(text, "mimamori_things_total{kind=\"a\"} 4\n"));
    CHECK(has(text, "mimamori_wait_seconds_bucket{le=\"1\"} 1\n"));
}

TEST_CASE("other pages, other methods, too large requests and nonsense are turned away") {
    Pages pages;
    CHECK(has(pages.get("/"), "404"));
    CHECK(has(pages.get("/metrics", "DELETE"), "405"));
    {
        Client large{pages.status.port()};
        large.send("GET /live HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n");
        CHECK_FALSE(has(large.rest(), "200 OK"));
    }
    Client nonsense{pages.status.port()};
    nonsense.send("\x16\x03\x01 hello\r\n\r\n");
    CHECK_FALSE(has(nonsense.rest(), "200 OK"));
    CHECK(has(pages.get("/live"), "200 OK"));
}

TEST_CASE("at most so many connections are served; the next one is when one has gone") {
    Pages pages;
    std::vector<Client> open;
    for (std::size_t i = 0; i < platform::HttpStatus::max_connections; ++i) {
        open.emplace_back(pages.status.port());
        open.back().send("GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
        REQUIRE(open.back().has_answer(20'000));
    }
    Client one_more{pages.status.port()};
    one_more.send("GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK_FALSE(one_more.has_answer(300));
    open.front().close();
    CHECK(one_more.has_answer(20'000));
}

TEST_CASE("a silent connection is closed after its patience") {
    Pages pages;
    Client silent{pages.status.port()};
    const auto began = std::chrono::steady_clock::now();
    CHECK(silent.rest().empty());
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{15});
}

TEST_CASE("an address in use is an error that names the setting") {
    Pages pages;
    platform::HttpStatus second{pages.health, pages.metrics};
    const auto started = second.start({"127.0.0.1", pages.status.port()});
    REQUIRE_FALSE(started);
    CHECK(has(started.error().what, "observability.listen"));
}

TEST_CASE("stopping closes what is open and can be done twice") {
    Pages pages;
    Client idle{pages.status.port()};
    pages.status.stop();
    pages.status.stop();
    CHECK(idle.rest().empty());
}
