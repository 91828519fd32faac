// What bounds a peer, and what bounds us.
#include <catch2/catch.hpp>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include <fmt/format.h>

#include "running_listener.h"

using namespace mimamori::test;

namespace {

bool is_cut(RawPeer& peer, std::chrono::milliseconds limit = 5s) {
    peer.exchange_until([] { return false; }, limit);
    return peer.cut;
}

// How often a newcomer had to come until it was taken in; 0: it was not within ten seconds.
std::size_t tries_until_welcome(RunningListener& listener) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    for (std::size_t tries = 1; std::chrono::steady_clock::now() < end; ++tries) {
        RawPeer peer{listener.port()};
        if (peer.shake_hands(listener.identity())) {
            return tries;
        }
    }
    return 0;
}

}  // namespace

TEST_CASE("a handshake that is never made, and a connection without a stream, do not stay") {
    RunningListener listener{[](auto& settings) {
        settings.handshake_limit = 300ms;
        settings.idle_limit = 300ms;
    }};
    auto neighbour = listener.peer();
    RawPeer silent{listener.port()};
    RawPeer idle{listener.port()};
    REQUIRE(idle.shake_hands(listener.identity()));
    CHECK(is_cut(idle));
    CHECK(silent.is_closed_within(5s));
    CHECK_FALSE(is_cut(*neighbour, 700ms));
}

TEST_CASE("a peer that does not answer for too long is cut off, one that answers is not") {
    RunningListener listener{[](auto& settings) {
        settings.keepalive_time = 300ms;
        settings.keepalive_timeout = 300ms;
    }};
    auto gone = listener.peer();  // nobody reads its socket: as a line that was cut
    REQUIRE(listener.eventually([&] { return listener.closed() == 1; }));
    auto alive = listener.peer();
    CHECK_FALSE(alive->exchange_until([] { return false; }, 1500ms));
    CHECK_FALSE(alive->cut);
    CHECK(listener.closed() == 1);
}

TEST_CASE("pings without end are answered by the end") {
    RunningListener listener;
    auto peer = listener.peer();
    for (int i = 0; i < 10; ++i) {
        peer->ping();
    }
    CHECK(is_cut(*peer));
    CHECK(peer->went_away == 11U);  // ENHANCE_YOUR_CALM
    CHECK(listener.eventually([&] { return listener.closed() == 1; }));
}

TEST_CASE("new keys now and then are well, without end they are the end") {
    RunningListener listener;
    auto peer = listener.peer();
    for (std::size_t i = 1; i <= 100; ++i) {
        peer->update_keys();
        peer->send(1, framed(heartbeat(1).SerializeAsString()));
        REQUIRE(peer->exchange_until(
            [&] { return listener.eventually([&] { return listener.frames().size() == i; }, 1ms); }));
    }
    for (int i = 0; i < 100; ++i) {
        peer->update_keys();
    }
    CHECK(is_cut(*peer));
    CHECK(listener.eventually([&] { return listener.closed() == 1; }));
}

TEST_CASE("who does not let us say the last word is cut off, so that a place becomes free") {
    RunningListener listener{[](auto& settings) { settings.finish_limit = 300ms; }};
    RawPeer peer{listener.port()};
    REQUIRE(peer.shake_hands(listener.identity()));
    peer.window = 0;
    peer.call();
    REQUIRE(peer.exchange_until([&] { return listener.eventually([&] { return listener.opened() == 1; }, 1ms); }));
    listener.stream(0)->write({});
    listener.stream(0)->finish(CloseCode::replaced, "again");
    CHECK(is_cut(peer));
    CHECK(listener.eventually([&] { return listener.closed() == 1; }));
}

TEST_CASE("a certificate that ends while its appliance is connected ends the connection") {
    RunningListener listener;
    RawPeer peer{listener.port()};
    REQUIRE(peer.shake_hands(listener.authority().issue_appliance("short", {-1h, 3s})));
    peer.call();
    REQUIRE(peer.exchange_until([&] { return listener.eventually([&] { return listener.opened() == 1; }, 1ms); }));
    CHECK(is_cut(peer, 10s));
    CHECK(listener.eventually([&] { return listener.closed() == 1; }));
}

TEST_CASE("a peer may ask after each answer whether we are still there") {
    RunningListener listener;
    auto peer = listener.peer();
    for (std::size_t i = 1; i <= 10; ++i) {
        peer->ping();
        REQUIRE(peer->exchange_until([&] { return peer->pongs == static_cast<int>(i); }));
        listener.stream(0)->write({});
        REQUIRE(peer->exchange_until([&] { return peer->answers[1].data.size() == 5 * i; }));
    }
}

TEST_CASE("streams that are made and reset without end cost a peer its connection") {
    RunningListener listener;
    RawPeer peer{listener.port()};
    REQUIRE(peer.shake_hands(listener.identity()));
    std::size_t made = 0;
    while (!peer.cut && made < 200) {
        const auto call = peer.call();
        ++made;
        peer.exchange_until([&] { return listener.eventually([&] { return listener.opened() == made; }, 1ms); });
        peer.reset(call);
        peer.exchange_until([&] { return listener.eventually([&] { return listener.closed() == made; }, 1ms); });
    }
    CHECK(peer.cut);
    CHECK(made < 50);
    CHECK(listener.eventually([&] { return listener.closed() == listener.opened(); }));
}

TEST_CASE("frames that nobody asks for wait at the peer, but for a window, and none is lost") {
    RunningListener listener{[](auto& settings) { settings.max_frame_bytes = settings.max_first_frame_bytes = 300'000; }};
    listener.reads_on = false;
    auto peer = listener.peer();
    constexpr std::size_t count = 20;
    AgentFrame frame;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) {
        frame.mutable_batch()->set_first(i);
        frame.mutable_batch()->mutable_entries()->set_data(std::string(200'000, 'x'));
        const auto message = framed(frame.SerializeAsString());
        bytes += message.size();
        peer->send(1, message);
    }
    // One was asked for; of the next only as much is kept as a window holds.
    peer->exchange_until([] { return false; }, 500ms);
    CHECK(listener.eventually([&] { return listener.frames().size() == 1; }));
    CHECK(peer->unsent(1) >= bytes - 200'100 - 65'535);
    CHECK(listener.stream(0)->received_bytes() <= 200'100 + 65'535);
    for (std::size_t i = 2; i <= count; ++i) {
        listener.stream(0)->read_next();
        REQUIRE(peer->exchange_until(
            [&] { return listener.eventually([&] { return listener.frames().size() == i; }, 1ms); }));
        CHECK(listener.frames()[i - 1].batch().first() == i - 1);
    }
}

TEST_CASE("what waits for a peer that does not read is bounded: then it is cut off") {
    RunningListener listener;
    auto deaf = listener.peer();
    auto neighbour = listener.peer();
    GatewayFrame frame;
    frame.mutable_settled()->set_h(std::string(1000, 'h'));
    std::size_t written = 0;
    while (!listener.stream(0)->ended() && written < 100'000) {
        listener.stream(0)->write(frame);
        ++written;
    }
    CHECK(listener.eventually([&] { return listener.closed() == 1; }));
    CHECK(listener.stream(0)->ended());
    neighbour->send(1, framed(heartbeat(1).SerializeAsString()));
    CHECK(neighbour->exchange_until(
        [&] { return listener.eventually([&] { return listener.frames().size() == 1; }, 1ms); }));
}

TEST_CASE("without descriptors nobody is taken, and when there are some again, who waited is") {
    RunningListener listener;
    RawPeer waiting{listener.port()};  // taken already
    REQUIRE(waiting.shake_hands(listener.identity()));
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    {
        auto peer = std::make_unique<RawPeer>(listener.port());
        REQUIRE(peer->shake_hands(listener.identity()));
    }
    struct Limit {  // as many as there are now, and one: for the peer's own end
        explicit Limit(rlimit was) : was_{was} {
            const int next = ::dup(0);
            ::close(next);
            const rlimit low{static_cast<rlim_t>(next) + 1, was.rlim_max};
            REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
        }
        ~Limit() { ::setrlimit(RLIMIT_NOFILE, &was_); }
        rlimit was_;
    };
    std::unique_ptr<RawPeer> late;
    {
        REQUIRE(listener.eventually([] { return true; }));
        const Limit limit{before};
        late = std::make_unique<RawPeer>(listener.port());
        CHECK(listener.eventually([&] { return listener.reported("no connection can be taken now"); }));
    }
    REQUIRE(late->shake_hands(listener.identity()));
    late->call();
    CHECK(late->exchange_until([&] { return listener.eventually([&] { return listener.opened() == 1; }, 1ms); }));
}

TEST_CASE("a process that holds our sockets, as one that is just being started, brings no dead connection back") {
    RunningListener listener;
    auto peer = listener.peer();
    auto neighbour = listener.peer();
    const auto child = ::fork();
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::pause();
        ::_exit(0);
    }
    peer->hang_up();
    CHECK(listener.eventually([&] { return listener.closed() == 1; }));
    for (std::size_t i = 1; i <= 20; ++i) {
        neighbour->send(1, framed(heartbeat(1).SerializeAsString()));
        REQUIRE(neighbour->exchange_until(
            [&] { return listener.eventually([&] { return listener.frames().size() == i; }, 1ms); }));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

TEST_CASE("connections that never become streams are bounded too") {
    RunningListener listener{[](auto& settings) { settings.max_streams = 1; }};
    std::vector<std::unique_ptr<RawPeer>> crowd;
    for (int i = 0; i < 140; ++i) {
        crowd.push_back(std::make_unique<RawPeer>(listener.port()));
    }
    CHECK(listener.eventually([&] { return listener.reported("too many connections"); }));
    CHECK(listener.server().was_crowded());
    CHECK_FALSE(listener.server().was_crowded());
    crowd.clear();
    CHECK(tries_until_welcome(listener) > 0);
}

TEST_CASE("who only holds places makes room for who comes, the oldest first; streams stay") {
    RunningListener listener{[](auto& settings) {
        settings.max_streams = 2;
        settings.io_threads = 1;
        settings.crowded_limit = 2s;
        settings.handshake_limit = settings.idle_limit = 60s;
    }};
    std::vector<std::unique_ptr<RawPeer>> crowd;
    crowd.push_back(std::make_unique<RawPeer>(listener.port()));
    auto neighbour = listener.peer();
    for (int i = 1; i < 97; ++i) {  // all places there are
        crowd.push_back(std::make_unique<RawPeer>(listener.port()));
    }
    std::vector<std::unique_ptr<RawPeer>> welcome;
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!crowd.front()->is_closed_within(0ms) && std::chrono::steady_clock::now() < end) {
        auto peer = std::make_unique<RawPeer>(listener.port());
        if (peer->shake_hands(listener.identity())) {
            welcome.push_back(std::move(peer));
        }
    }
    CHECK(crowd.front()->is_closed_within(0ms));
    CHECK(listener.reported("too many connections"));  // nobody had to go before having had the time
    CHECK_FALSE(welcome.empty());
    CHECK(std::count_if(crowd.begin(), crowd.end(), [](const auto& one) { return one->is_closed_within(0ms); }) <= 5);
    CHECK_FALSE(is_cut(*welcome.back(), 100ms));  // who has shown a certificate stays
    CHECK(listener.server().open_streams() == 1);
    CHECK_FALSE(is_cut(*neighbour, 100ms));
}

TEST_CASE("new certificate files are taken while serving; what is not good is refused and the old goes on") {
    RunningListener listener{[](auto& settings) { settings.reload_interval = 100ms; }};
    const auto served = [&] {
        RawPeer peer{listener.port()};
        return peer.shake_hands(listener.identity()) ? peer.server_fingerprint() : std::string{};
    };
    const auto first = served();
    REQUIRE(first.size() == 32);
    (void)listener.folder().write("server.pem", "no certificate");
    CHECK(listener.eventually([&] { return listener.reported("the old ones stay"); }));
    CHECK(served() == first);
    const auto renewed = listener.authority().issue_server();
    (void)listener.folder().write("server.key", renewed.private_key);
    (void)listener.folder().write("server.pem", renewed.certificate);
    CHECK(listener.eventually([&] { return served() == renewed.fingerprint; }));
}

TEST_CASE("stopping lets streams end, cuts off those that do not, and leaves none behind") {
    RunningListener listener;
    auto ends = listener.peer();
    auto stays = listener.peer();
    std::thread stopping{[&] { listener.server().stop(1s); }};
    REQUIRE(ends->exchange_until([&] { return ends->went_away.has_value(); }));
    listener.stream(0)->finish(CloseCode::unavailable, "the gateway stops");
    CHECK(ends->exchange_until([&] { return ends->answers[1].headers["grpc-status"] == "14"; }));
    CHECK(listener.closed() <= 1);
    stopping.join();
    CHECK(listener.closed() == 2);
    CHECK(listener.server().open_streams() == 0);
    listener.stream(1)->write({});  // nobody is there any more
    listener.stream(1)->finish(CloseCode::busy, "");
}

TEST_CASE("streams may be used from many threads at once, also while they end") {
    RunningListener listener;
    for (int round = 0; round < 10; ++round) {
        auto peer = listener.peer();
        const auto stream = listener.stream(static_cast<std::size_t>(round));
        std::atomic<bool> ending{false}, stop{false};
        std::vector<std::thread> writers;
        for (int i = 0; i < 3; ++i) {
            writers.emplace_back([&] {
                for (int written = 0; written < 300; ++written) {
                    stream->write({});
                }
                while (!stop) {
                    stream->read_next();
                    if (ending) {
                        stream->write({});
                    }
                }
            });
        }
        peer->send(1, framed(heartbeat(1).SerializeAsString()));
        CHECK(peer->exchange_until([&] { return peer->answers[1].data.size() == std::size_t{3} * 300 * 5; }));
        ending = true;
        peer.reset();
        CHECK(listener.eventually([&] { return stream->ended(); }));
        stop = true;
        for (auto& writer : writers) {
            writer.join();
        }
    }
}
