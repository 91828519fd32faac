// What the listener says to calls, good and bad. gRPC's own client asks it in tests/gateway and tests/agent.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "running_listener.h"

using namespace mimamori::test;

namespace {

Headers changed(const std::string& name, const std::string& value) {
    auto out = connect_call();
    for (auto& header : out) {
        if (header.first == name) {
            header.second = value;
            return out;
        }
    }
    out.emplace_back(name, value);
    return out;
}

std::string status_of(RawPeer& peer, std::int32_t call) {
    peer.exchange_until([&] { return peer.answers[call].closed; });
    return peer.answers[call].headers["grpc-status"];
}

}  // namespace

TEST_CASE("frames go both ways, and the last word is a status with its reason") {
    RunningListener listener;
    auto peer = listener.peer();
    peer->send(1, framed(heartbeat(7).SerializeAsString()) + framed(heartbeat(8).SerializeAsString()));
    REQUIRE(
        peer->exchange_until([&] { return listener.eventually([&] { return listener.frames().size() == 2; }, 1ms); }));
    CHECK(listener.frames()[0].heartbeat().agent_clock_us() == 7);
    CHECK(listener.frames()[1].heartbeat().agent_clock_us() == 8);

    GatewayFrame answer;
    answer.mutable_heartbeat_ack()->set_agent_clock_us(8);
    listener.stream(0)->write(answer);
    listener.stream(0)->finish(CloseCode::bad_request, "50 % of it: 不正");
    listener.stream(0)->write(answer);  // too late
    CHECK(status_of(*peer, 1) == "3");
    CHECK(peer->answers[1].data == framed(answer.SerializeAsString()));
    CHECK(peer->answers[1].headers["grpc-message"] == "50 %25 of it: %E4%B8%8D%E6%AD%A3");
    CHECK(peer->answers[1].headers[":status"] == "200");
    CHECK(peer->answers[1].error == 0);
    CHECK(listener.eventually([&] { return listener.closed() == 1; }));
    CHECK(listener.stream(0)->ended());
    CHECK(listener.server().open_streams() == 0);
}

TEST_CASE("a frame that comes in pieces, one byte at a time, is one frame") {
    RunningListener listener;
    auto peer = listener.peer();
    const auto bytes = framed(heartbeat(1'234'567).SerializeAsString());
    for (const char byte : bytes) {
        peer->send(1, std::string_view{&byte, 1});
        REQUIRE(peer->exchange_until([&] { return peer->unsent(1) == 0; }));
    }
    REQUIRE(listener.eventually([&] { return listener.frames().size() == 1; }));
    CHECK(listener.frames()[0].heartbeat().agent_clock_us() == 1'234'567);
}

TEST_CASE("before anybody knows whose a stream is, a frame is small") {
    RunningListener listener{[](auto& settings) { settings.max_first_frame_bytes = 1000; }};
    AgentFrame large;
    large.mutable_batch()->mutable_entries()->set_data(std::string(1000, 'x'));
    auto hasty = listener.peer();
    hasty->send(1, framed(large.SerializeAsString()).substr(0, 5));  // its length is enough
    CHECK(status_of(*hasty, 1) == "8");
    CHECK(hasty->answers[1].headers["grpc-message"] == "a frame may have 1000 bytes at most");
    CHECK(listener.frames().empty());

    auto polite = listener.peer();
    polite->send(1, framed(heartbeat(1).SerializeAsString()) + framed(large.SerializeAsString()));
    CHECK(polite->exchange_until(
        [&] { return listener.eventually([&] { return listener.frames().size() == 2; }, 1ms); }));
}

TEST_CASE("what is not our call is refused with a status, and the connection goes on") {
    RunningListener listener;
    RawPeer peer{listener.port()};
    REQUIRE(peer.shake_hands(listener.identity()));
    for (const auto& headers : {changed(":path", "/mimamori.uplink.v1.Uplink/Other"), changed(":path", "/"),
                                changed(":method", "GET"), changed("content-type", "text/html"),
                                changed("content-type", "application/grpcx"), changed("grpc-encoding", "gzip")}) {
        CHECK(status_of(peer, peer.call(headers)) == "12");
    }
    CHECK(listener.opened() == 0);
    peer.call(changed("content-type", "application/grpc+proto"));
    CHECK(peer.exchange_until([&] { return listener.eventually([&] { return listener.opened() == 1; }, 1ms); }));
}

TEST_CASE("headers beyond the limit reset the call, not the connection") {
    RunningListener listener;
    RawPeer peer{listener.port()};
    REQUIRE(peer.shake_hands(listener.identity()));
    const auto call = peer.call(changed("x-padding", std::string(5000, 'x')));
    REQUIRE(peer.exchange_until([&] { return peer.answers[call].closed; }));
    CHECK(peer.answers[call].error != 0);
    peer.call();
    CHECK(peer.exchange_until([&] { return listener.eventually([&] { return listener.opened() == 1; }, 1ms); }));
}

TEST_CASE("messages that may not be are answered with a status") {
    RunningListener listener{[](auto& settings) { settings.max_frame_bytes = 1000; }};
    auto peer = listener.peer();
    SECTION("compressed") {
        peer->send(1, framed("abc", 1));
        CHECK(status_of(*peer, 1) == "12");
    }
    SECTION("too long: the prefix alone is enough") {
        peer->send(1, framed(std::string(1001, 'x')).substr(0, 5));
        CHECK(status_of(*peer, 1) == "8");
    }
    SECTION("longer than memory") {
        peer->send(1, std::string_view{"\0\xff\xff\xff\xff", 5});
        CHECK(status_of(*peer, 1) == "8");
    }
    SECTION("not the message's encoding") {
        peer->send(1, framed("\x0a\xff\xff"));
        CHECK(status_of(*peer, 1) == "3");
    }
    CHECK(listener.eventually([&] { return listener.closed() == 1; }));
    CHECK(listener.frames().empty());
}

TEST_CASE("one call may begin before the one before it has ended; a place that is not there is refused") {
    RunningListener listener{[](auto& settings) { settings.max_streams = 2; }};
    auto peer = listener.peer();
    peer->call();
    REQUIRE(peer->exchange_until([&] { return listener.eventually([&] { return listener.opened() == 2; }, 1ms); }));
    RawPeer other{listener.port()};
    REQUIRE(other.shake_hands(listener.identity()));
    CHECK(status_of(other, other.call()) == "8");
    peer->reset(1);
    REQUIRE(peer->exchange_until([&] { return listener.eventually([&] { return listener.closed() == 1; }, 1ms); }));
    other.call();
    CHECK(other.exchange_until([&] { return listener.eventually([&] { return listener.opened() == 3; }, 1ms); }));
}

TEST_CASE("a certificate that was denied after the handshake gets no stream any more") {
    RunningListener listener;
    auto peer = listener.peer();
    uplink_grpc::Fingerprint print{};
    std::copy(listener.identity().fingerprint.begin(), listener.identity().fingerprint.end(), print.begin());
    listener.deny_list().replace({print});
    CHECK(status_of(*peer, peer->call()) == "16");
    RawPeer again{listener.port()};
    CHECK(again.shake_hands(listener.identity()));  // the client's side of it
    CHECK_FALSE(again.exchange_until([] { return false; }, 5s));
    CHECK(again.cut);
    CHECK(listener.eventually([&] { return listener.reported("certificate revoked"); }));
}

TEST_CASE("no TLS session is resumed, so every handshake meets the deny list") {
    RunningListener listener;
    auto peer = listener.peer();
    listener.stream(0)->write({});
    REQUIRE(peer->exchange_until([&] { return !peer->answers[1].data.empty(); }));
    CHECK_FALSE(peer->session_is_resumable());
}

TEST_CASE("who asks for another protocol, or for none, or says no HTTP/2 at all, is cut off") {
    RunningListener listener;
    auto neighbour = listener.peer();
    for (const auto* protocol : {"http/1.1", ""}) {
        RawPeer peer{listener.port()};
        if (peer.shake_hands(listener.identity(), protocol)) {
            CHECK_FALSE(peer.exchange_until([] { return false; }, 5s));
            CHECK(peer.cut);
        }
    }
    RawPeer rude{listener.port()};
    REQUIRE(rude.shake_hands(listener.identity()));
    rude.send_bytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK_FALSE(rude.exchange_until([] { return false; }, 5s));
    CHECK(rude.cut);
    RawPeer noise{listener.port()};
    noise.send_bytes(std::string(2000, '\x16'));
    CHECK(listener.eventually([&] { return listener.reported("TLS handshake with 127.0.0.1:"); }));
    neighbour->send(1, framed(heartbeat(1).SerializeAsString()));
    CHECK(neighbour->exchange_until(
        [&] { return listener.eventually([&] { return listener.frames().size() == 1; }, 1ms); }));
}
