// What stands at the open port behind TLS: a connection's HTTP/2 and gRPC. The input is what a peer sends after its
// preface, in pieces. Each begins with its length in two bytes; the highest bit says that the peer takes nothing of ours
// meanwhile.
#include <string>
#include <string_view>

#include "adapters/grpc/http2_session.h"
#include "fuzz/require.h"

namespace {

using namespace mimamori;
namespace grpc = adapters::grpc;

class Reader final : public grpc::StreamEvents {
  public:
    void on_opened(const std::shared_ptr<grpc::Stream>& stream) override {
        ++open;
        stream->read_next();
    }
    void on_frame(grpc::Stream& stream, grpc::AgentFrame&& frame) override {
        frame.has_fork() ? stream.finish(grpc::CloseCode::bad_request, "fork") : stream.write({});
        stream.read_next();
    }
    void on_closed(grpc::Stream&) override { --open; }
    int open = 0;
};

class Owner final : public grpc::StreamOwner {
  public:
    void look_after(std::shared_ptr<grpc::UplinkStream> stream) override { called.push_back(std::move(stream)); }
    std::vector<std::shared_ptr<grpc::UplinkStream>> called;
};

bool goes_on(grpc::Http2Session& session, Owner& owner, std::string_view bytes, bool peer_reads) {
    bool good = session.receive(bytes);
    std::string out;
    for (int i = 0; good && i < 100 && (i == 0 || !owner.called.empty()); ++i) {
        for (const auto& stream : std::exchange(owner.called, {})) {
            good = good && (stream->ended() || session.serve(*stream));
        }
        good = good && (!peer_reads || session.produce(out, 1U << 20U));
    }
    return good && !session.finished();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Reader reader;
    Owner owner;
    grpc::DenyList deny_list;
    grpc::ServerContext context{{}, deny_list, reader};
    context.settings.max_frame_bytes = 5000;
    grpc::PeerCertificate certificate;
    certificate.p256 = true;
    certificate.not_before = base::time_from_us(0);
    certificate.not_after = base::time_from_us(INT64_MAX);
    {
        grpc::Http2Session session{context, owner, certificate, "peer"};
        std::string_view rest{reinterpret_cast<const char*>(data), size};
        bool good = goes_on(session, owner, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true);
        while (good && rest.size() > 2) {
            const auto head =
                static_cast<unsigned>(static_cast<std::uint8_t>(rest[0]) << 8U | static_cast<std::uint8_t>(rest[1]));
            const std::size_t length = head & 0x7fffU;
            good = goes_on(session, owner, rest.substr(2, length), (head & 0x8000U) == 0);
            rest.remove_prefix(std::min(rest.size(), 2 + length));
        }
        fuzz::require(static_cast<std::size_t>(reader.open) == context.open_streams,
                      "streams are counted as they are told");
    }
    fuzz::require(reader.open == 0, "every stream that was opened has been closed");
    return 0;
}
