// The stream itself at its ends: where the other side is nobody who speaks (a proxy before a gateway that is down takes
// the connection and resets it), and where we close while the gateway's next frame arrives.
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>

#include "agent/support/fake_gateway.h"
#include "appliance-agent/uplink/connection.h"
#include "appliance-agent/wakeup.h"
#include "support/test_certificates.h"

using namespace mimamori;
using agent::uplink::Connection;
using namespace std::chrono_literals;

namespace {

// Accepts and resets at once, until it ends.
class Resetting {
  public:
    Resetting() : listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        socklen_t size = sizeof address;
        REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port_ = ntohs(address.sin_port);
        REQUIRE(::listen(listener_, 16) == 0);
        thread_ = std::thread{[this] {
            for (int one = 0; (one = ::accept(listener_, nullptr, nullptr)) >= 0;) {
                const linger reset{1, 0};
                ::setsockopt(one, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
                ::close(one);
                ++accepted;
            }
        }};
    }
    ~Resetting() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

    std::atomic<int> accepted = 0;

  private:
    int listener_;
    int port_ = 0;
    std::thread thread_;
};

}  // namespace

TEST_CASE("a connection that is reset during the handshake ends with a reason, hundreds of times in one process") {
    test::TestAuthority authority;
    const auto pem = authority.issue_appliance("UTM-0007");
    agent::uplink::Identity identity;
    identity.ca_pem = authority.certificate();
    identity.certificate_pem = pem.certificate;
    identity.key_pem = pem.private_key;
    Resetting nobody;
    agent::Wakeup wakeup;
    for (int i = 0; i < 300; ++i) {
        Connection connection{nobody.address(), "", identity, [&] { wakeup.wake(); }};
        const auto deadline = std::chrono::steady_clock::now() + 10s;
        while (!connection.ended() && std::chrono::steady_clock::now() < deadline) {
            wakeup.wait_until(deadline);
        }
        REQUIRE(connection.ended());
        REQUIRE_FALSE(connection.ended()->what.empty());
        REQUIRE_FALSE(connection.ended()->refused);
    }
    REQUIRE(nobody.accepted >= 300);
}

TEST_CASE("a connection that is closed while a frame arrives comes to its end") {
    test::TestAuthority authority;
    const test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    const auto pem = authority.issue_appliance("UTM-0007");
    agent::uplink::Identity identity;
    identity.ca_pem = authority.certificate();
    identity.certificate_pem = pem.certificate;
    identity.key_pem = pem.private_key;
    agent::uplink::pb::AgentFrame question;
    question.mutable_heartbeat()->set_agent_clock_us(1);
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random{seed};
    for (int i = 0; i < 300; ++i) {
        agent::Wakeup wakeup;
        Connection connection{gateway.address(), "", identity, [&] { wakeup.wake(); }};
        connection.write(question);
        const auto deadline = std::chrono::steady_clock::now() + 10s;
        while (!connection.take() && std::chrono::steady_clock::now() < deadline) {
            wakeup.wait_until(deadline);
        }
        while (!connection.can_write() && std::chrono::steady_clock::now() < deadline) {
            wakeup.wait_until(deadline);
        }
        connection.write(question);  // its answer arrives before, during or after the end
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds{random() % 1000};
        while (std::chrono::steady_clock::now() < end) {
        }
    }
    REQUIRE(gateway.heartbeats().size() >= 300);
}
