#include <catch2/catch.hpp>

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include <fmt/format.h>

#include "running_gateway.h"

using namespace mimamori;
using namespace mimamori::test;
using ::grpc::StatusCode;

namespace {

// The highest TLS version is `version`; true if a handshake succeeds.
bool handshake(int port, int version) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()), &SSL_CTX_free};
    SSL_CTX_set_max_proto_version(context.get(), version);
    const std::unique_ptr<SSL, decltype(&SSL_free)> session{SSL_new(context.get()), &SSL_free};
    SSL_set_fd(session.get(), fd);
    const unsigned char h2[] = {2, 'h', '2'};
    SSL_set_alpn_protos(session.get(), h2, sizeof h2);
    const bool done = SSL_connect(session.get()) == 1;
    ::close(fd);
    return done;
}

}  // namespace

TEST_CASE("only an appliance with a valid certificate of a running rental gets a HelloAck") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    const auto refusal = [&](const std::optional<Pem>& identity) {
        Agent agent{gateway.port(), gateway.authority().certificate(), identity};
        agent.send(hello({spool.state(0)}));
        const auto answer = agent.next(pb::GatewayFrame::kHelloAck, 5s);
        CHECK_FALSE(answer);
        return agent.end().error_code();
    };

    SECTION("no certificate") {
        CHECK(refusal(std::nullopt) == StatusCode::UNAVAILABLE);  // the handshake fails
    }
    SECTION("a certificate of another authority with the same name") {
        const TestAuthority other;
        const auto identity = other.issue_appliance("appliance");
        gateway.database().add_certificate(appliance.tenant.rental, identity.fingerprint);
        CHECK(refusal(identity) == StatusCode::UNAVAILABLE);
    }
    SECTION("a certificate that nobody entered") {
        CHECK(refusal(gateway.authority().issue_appliance("stranger")) == StatusCode::PERMISSION_DENIED);
        CHECK(gateway.open_alarms("certificate_refused") == 1);
    }
    SECTION("an expired certificate") {
        const auto identity = gateway.authority().issue_appliance("appliance", {-2h, -1h});
        gateway.database().add_certificate(appliance.tenant.rental, identity.fingerprint);
        CHECK(refusal(identity) == StatusCode::UNAVAILABLE);
    }
    SECTION("a revoked certificate") {
        gateway.database().query("update certificates set revoked_at = now()");
        const auto code = refusal(appliance.identity);  // by PostgreSQL, or in the handshake once the deny list is read
        CHECK((code == StatusCode::PERMISSION_DENIED || code == StatusCode::UNAVAILABLE));
    }
    SECTION("a rental that has ended") {
        gateway.database().query("update rentals set starts_at = now() - interval '2 day', ends_at = now() - interval '1 day'");
        const auto code = refusal(appliance.identity);
        CHECK((code == StatusCode::PERMISSION_DENIED || code == StatusCode::UNAVAILABLE));
    }
    SECTION("and the right one is greeted") {
        CHECK(gateway.greet(appliance, spool, 0));
    }
}

TEST_CASE("a certificate that is revoked while its appliance is connected ends the connection and bars the next") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const auto neighbour = gateway.enrol();
    const Spool spool;
    const Spool other_spool;
    const auto agent = gateway.greet(appliance, spool, 0);
    const auto other = gateway.greet(neighbour, other_spool, 0);
    gateway.database().query(
        fmt::format("update certificates set revoked_at = now() where rental_id = {}", appliance.tenant.rental.value));
    CHECK(agent->end().error_code() == StatusCode::PERMISSION_DENIED);
    // The handshake itself fails now: the deny list was read before the stream was cut.
    const auto again = gateway.connect(appliance);
    again->send(hello({spool.state(0)}));
    CHECK(again->end().error_code() == StatusCode::UNAVAILABLE);
    CHECK(other->end(200ms).error_message() == "still open");
}

TEST_CASE("TLS below 1.3 is refused") {
    RunningGateway gateway;
    CHECK_FALSE(handshake(gateway.port(), TLS1_2_VERSION));
    CHECK(handshake(gateway.port(), TLS1_3_VERSION));
}

TEST_CASE("compressed messages are refused") {
    RunningGateway gateway;
    const auto appliance = gateway.enrol();
    const Spool spool;
    Agent agent{gateway.port(), gateway.authority().certificate(), appliance.identity, true};
    agent.send(hello({spool.state(0)}));
    CHECK_FALSE(agent.next(pb::GatewayFrame::kHelloAck, 5s));
    CHECK(agent.end().error_code() == StatusCode::UNIMPLEMENTED);
}
