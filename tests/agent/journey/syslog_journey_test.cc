// Firewalls that send syslog: from a datagram or a connection to a row of the service, with the real executable.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include <fmt/format.h>

#include "agent/journey/agent_process.h"
#include "agent/journey/logs.h"
#include "mimamori/detection/v1/detection.pb.h"

using namespace mimamori;
using Catch::Matchers::Contains;
using domain::delivery::EntryKind;
using domain::delivery::Lane;
using test::append;
using test::comes_to_say;
using test::content_of;
using test::each_once;
using test::line_of;

namespace {

// A socket bound to a free port of the loopback address; its port is free again when it is closed.
class Port {
  public:
    explicit Port(int type) : socket_{::socket(AF_INET, type, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        number = ntohs(address.sin_port);
    }
    ~Port() { ::close(socket_); }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    int number = 0;

  private:
    int socket_;
};

int connect_to(int type, int port) {
    const int out = ::socket(AF_INET, type, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    REQUIRE(::connect(out, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return out;
}

}  // namespace

TEST_CASE("syslog over UDP and TCP becomes rows: firewalls' lines beside the files' ones") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    const auto udp = std::make_unique<Port>(SOCK_DGRAM)->number;
    const auto tcp = std::make_unique<Port>(SOCK_STREAM)->number;
    test::AgentProcess agent{authority,
                             {gateway.address()},
                             {},
                             fmt::format(R"([[source]]
id = "sonicwall"
type = "sonicwall"
listen = "udp://127.0.0.1:{}"
allow = ["127.0.0.0/8"]
[[source]]
id = "fortigate"
type = "fortigate"
listen = "tcp://127.0.0.1:{}"
)",
                                         udp, tcp)};
    append(agent.log_file(), line_of(1));
    agent.start();
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 1; }));  // it has opened its sources
    const auto sonicwall = [](int number) {
        return fmt::format(
            R"(<129>id=firewall time="2026-04-08 10:39:40" m=609 msg="IPS Prevention Alert: Signature {}" src=198.51.100.9:1:X1 dst=192.168.1.5:80:X0)",
            number);
    };
    const auto fortigate = [](int number) {
        return fmt::format(
            R"(<185>date=2026-04-08 time=10:39:40 type="utm" subtype="virus" action="blocked" virus="Virus {}" direction="outgoing" srcip=192.168.1.9 dstip=203.0.113.5)",
            number);
    };
    const int datagrams = connect_to(SOCK_DGRAM, udp);
    const int stream = connect_to(SOCK_STREAM, tcp);
    std::string counted;
    for (int i = 2; i <= 51; ++i) {
        const auto line = sonicwall(i);
        REQUIRE(::send(datagrams, line.data(), line.size(), 0) == static_cast<ssize_t>(line.size()));
        counted += fmt::format("{} {}", fortigate(i + 50).size(), fortigate(i + 50));
    }
    REQUIRE(::send(stream, counted.data(), counted.size(), 0) == static_cast<ssize_t>(counted.size()));
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 101; }));
    REQUIRE(stored_numbers(gateway) == each_once(1, 101));
    REQUIRE(gateway.stream(Lane::urgent)->entries.size() == 50);  // viruses going out
    append(agent.log_file(), line_of(102));  // checkpoints of files move on beside sources that have none
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 102; }));
    const auto last = sonicwall(103);
    REQUIRE(::send(datagrams, last.data(), last.size(), 0) == static_cast<ssize_t>(last.size()));
    REQUIRE(agent.stop() == 0);  // what has arrived is read first
    REQUIRE(stored_numbers(gateway) == each_once(1, 103));
    const auto status = content_of(agent.path("state/status.json"));
    REQUIRE_THAT(status, Contains("\"id\": \"sonicwall\", \"lines\": 51, \"events\": 51"));
    REQUIRE_THAT(status, Contains("\"datagrams_lost\": 0"));
    REQUIRE_THAT(status, Contains("\"not_settled\": 0"));
    agent.start();  // and nothing of it is sent again
    append(agent.log_file(), line_of(104));
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 104; }));
    REQUIRE(agent.stop() == 0);
    REQUIRE(stored_numbers(gateway) == each_once(1, 104));
    ::close(datagrams);
    ::close(stream);
}

TEST_CASE("--check-config says who listens where, and what cannot") {
    test::TestAuthority authority;
    const Port taken{SOCK_DGRAM};
    const auto free = std::make_unique<Port>(SOCK_STREAM)->number;
    test::AgentProcess agent{authority,
                             {"gateway.example.jp:8443"},
                             {},
                             fmt::format(R"([[source]]
id = "a"
type = "sonicwall"
listen = "udp://127.0.0.1:{}"
[[source]]
id = "b"
type = "fortigate"
listen = "tcp://127.0.0.1:{}"
allow = ["192.0.2.1"]
[[source]]
id = "c"
type = "fortigate"
listen = "udp://192.0.2.1:5514"
)",
                                         taken.number, free)};
    append(agent.log_file(), line_of(1));
    const auto checked = test::AgentProcess::run({"--config", agent.config_file(), "--check-config"});
    REQUIRE(checked.status == 2);
    REQUIRE_THAT(checked.out,
                 Contains(fmt::format("source a: listens on udp://127.0.0.1:{} for SonicWall syslog, from anyone",
                                      taken.number)));
    REQUIRE_THAT(checked.out, Contains("source a: in use by another program"));
    REQUIRE_THAT(checked.out, Contains("for FortiGate syslog, from allowed addresses only"));
    REQUIRE_THAT(checked.err, Contains("source c: cannot listen on udp://192.0.2.1:5514"));
    REQUIRE_THAT(checked.err, !Contains("source a") && !Contains("source b"));
}
