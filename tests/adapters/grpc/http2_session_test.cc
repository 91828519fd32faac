// A connection's HTTP/2 without a connection.
#include <catch2/catch.hpp>

#include "adapters/grpc/http2_session.h"

using namespace mimamori::adapters::grpc;

namespace {

struct Nobody final : StreamEvents, StreamOwner {
    void on_opened(const std::shared_ptr<Stream>&) override {}
    void on_frame(Stream&, AgentFrame&&) override {}
    void on_closed(Stream&) override {}
    void look_after(std::shared_ptr<UplinkStream>) override {}
};

// HEADERS of one stream, complete: ":method: POST" and nothing more.
std::string head(std::uint32_t stream) {
    std::string out{std::string_view{"\0\0\1\1\4", 5}};
    for (unsigned shift = 32; shift > 0; shift -= 8) {
        out.push_back(static_cast<char>(stream >> (shift - 8)));
    }
    return out + '\x83';
}

}  // namespace

TEST_CASE("answers that a peer does not take are bounded, also those that HTTP/2 makes by itself") {
    Nobody nobody;
    DenyList deny_list;
    ServerContext context{{}, deny_list, nobody};
    Http2Session session{context, nobody, {}, "peer"};
    REQUIRE(session.receive(std::string_view{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33}));
    std::uint32_t stream = 1;
    while (stream < 20'000 && session.receive(head(stream))) {
        stream += 2;
    }
    CHECK(stream < 5'000);
    CHECK(stream > 100);
}
