// Sources that listen, on real sockets of this machine.
#include "appliance-agent/sources/syslog_source.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

namespace mimamori::agent::sources {
namespace {

// A port that nobody has just now. Another program may take it before the source does: then the source says so.
std::uint16_t free_port(bool tcp) {
    const File socket(::socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(socket.descriptor(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

struct Listening {
    explicit Listening(bool tcp, LineFormat format = LineFormat::sonicwall) : format_(format) {
        listen.tcp = tcp;
        listen.ip = "127.0.0.1";
        listen.port = free_port(tcp);
        options.id = "firewall";
        options.path = fmt::format("{}://127.0.0.1:{}", tcp ? "tcp" : "udp", listen.port);
        options.max_line_bytes = 2048;
    }
    Source& open() {
        source = listen_for_syslog(format_, options, listen);
        CHECK(read().empty());
        return *source;
    }
    std::vector<Produced> read(std::int64_t ms = 0) { return read_all(*source, at_ms(ms)); }

    // Reads until so many lines have come; what is sent on loopback is there at once or soon.
    std::vector<Produced> read_lines(std::uint64_t lines, std::int64_t ms = 0) {
        std::vector<Produced> out;
        for (;;) {
            for (auto& entry : read(ms)) {
                out.push_back(std::move(entry));
            }
            if (source->stats().lines >= lines) {
                return out;
            }
            wait();
        }
    }
    void wait() const {
        pollfd what{source->descriptor(), POLLIN, 0};
        REQUIRE(::poll(&what, 1, 30'000) == 1);
    }

    // A connected socket from this address of the loopback network.
    File connect(const std::string& from = "127.0.0.1") const {
        File out(::socket(AF_INET, listen.tcp ? SOCK_STREAM : SOCK_DGRAM, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        ::inet_pton(AF_INET, from.c_str(), &address.sin_addr);
        REQUIRE(::bind(out.descriptor(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
        address.sin_port = htons(listen.port);
        REQUIRE(::connect(out.descriptor(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        return out;
    }

    SourceOptions options;
    ListenOptions listen;
    std::unique_ptr<Source> source;

  private:
    LineFormat format_;
};

void send(const File& socket, const std::string& bytes) {
    REQUIRE(::send(socket.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
}

// Until the other side has closed.
bool is_closed(const File& socket) {
    char byte = 0;
    pollfd what{socket.descriptor(), POLLIN, 0};
    return ::poll(&what, 1, 30'000) == 1 && ::recv(socket.descriptor(), &byte, 1, 0) <= 0;
}

std::string scan_line(int number) {
    return fmt::format(
        "<129>id=firewall time=\"2026-04-08 10:39:40\" m=608 msg=\"IPS Detection Alert: Signature {}\" "
        "src=192.168.1.9:1:X0 dst=198.51.100.5:443:X1",
        number);
}

TEST_CASE("UDP: a datagram is a line, and its entry has no position") {
    Listening on(false);
    auto& source = on.open();
    const auto sender = on.connect();
    send(sender, scan_line(1));
    send(sender, scan_line(2) + "\r\n");
    send(sender, "<134>id=firewall m=537 msg=\"Connection Closed\"");
    send(sender, "nonsense");
    send(sender, "");
    const auto entries = on.read_lines(4);
    CHECK(names_of(entries) == std::vector<std::string>{"Signature 1", "Signature 2", "rejected"});
    CHECK(detection_in(entries[1]).raw() == scan_line(2));
    CHECK(detection_in(entries[0]).source_format() == "sonicwall");
    CHECK(detection_in(entries[0]).source_id() == "firewall");
    CHECK(to_bytes(entries[0].position).empty());
    CHECK_FALSE(source.checkpoint());
    CHECK(rejected_in(entries[2]).raw() == "nonsense");
    CHECK(rejected_in(entries[2]).source_format() == "sonicwall");
    const auto stats = source.stats();
    CHECK(stats.lines == stats.events + stats.blocks + stats.rejected + stats.skipped);
    CHECK(stats.skipped_kinds == std::map<std::string, std::uint64_t>{{"m=537", 1}});
}

TEST_CASE("UDP: a datagram beyond the bound is kept as rejected") {
    Listening on(false);
    auto& source = on.open();
    const auto sender = on.connect();
    send(sender, scan_line(1) + std::string(40'000, ' '));
    send(sender, scan_line(2));
    const auto entries = on.read_lines(2);
    REQUIRE(entries.size() == 2);
    const auto rejected = rejected_in(entries[0]);
    CHECK(rejected.raw_size() == scan_line(1).size() + 40'000);
    CHECK(rejected.raw_truncated());
    CHECK(rejected.reason() == "longer than 2048 bytes");
    CHECK(source.stats().overlong == 1);
}

TEST_CASE("UDP: what the kernel drops is counted, without another datagram having to come") {
    Listening on(false);
    on.listen.receive_buffer_bytes = 4096;
    auto& source = on.open();
    const auto sender = on.connect();
    constexpr std::uint64_t sent = 400;
    for (std::uint64_t i = 0; i < sent; ++i) {
        send(sender, scan_line(1));
    }
    const auto entries = on.read();
    const auto stats = source.stats();
    CHECK(stats.datagrams_lost > 0);
    CHECK(entries.size() + stats.datagrams_lost == sent);
    CHECK_THAT(stats.last_trouble, Catch::Matchers::Contains("datagrams were lost"));
    send(sender, scan_line(2));
    CHECK(names_of(on.read_lines(stats.lines + 1)) == std::vector<std::string>{"Signature 2"});
    CHECK(source.stats().datagrams_lost == stats.datagrams_lost);
}

TEST_CASE("only allowed addresses may send; the others are counted and leave nothing") {
    for (const bool tcp : {false, true}) {
        Listening on(tcp);
        on.listen.allow = {*domain::parse_range("127.0.0.8/30")};
        auto& source = on.open();
        const auto stranger = on.connect("127.0.0.1");
        send(stranger, scan_line(1) + "\n");
        const auto known = on.connect("127.0.0.9");
        send(known, scan_line(2) + "\n");
        CHECK(names_of(on.read_lines(1)) == std::vector<std::string>{"Signature 2"});
        CHECK(source.stats().peers_refused == 1);
        CHECK(source.stats().rejected == 0);
        CHECK_THAT(source.stats().last_trouble, Catch::Matchers::Contains("127.0.0.1 is not allowed to send"));
    }
}

TEST_CASE("TCP: octet-counted and newline-framed connections side by side") {
    Listening on(true);
    auto& source = on.open();
    const auto lines = on.connect();
    const auto counted = on.connect();
    send(lines, scan_line(1) + "\n" + scan_line(2).substr(0, 30));
    send(counted, fmt::format("{} {}", scan_line(3).size(), scan_line(3)));
    CHECK(on.read_lines(2).size() == 2);
    send(lines, scan_line(2).substr(30) + "\n");
    CHECK(names_of(on.read_lines(3)) == std::vector<std::string>{"Signature 2"});
    CHECK(source.stats().connections == 2);
}

TEST_CASE("TCP: a connection that ends gives its last line, and a broken counted message as rejected") {
    Listening on(true);
    auto& source = on.open();
    {
        const auto lines = on.connect();
        send(lines, scan_line(1));
    }
    CHECK(names_of(on.read_lines(1)) == std::vector<std::string>{"Signature 1"});
    {
        const auto counted = on.connect();
        send(counted, "500 " + scan_line(2));
    }
    const auto broken = on.read_lines(2);
    REQUIRE(broken.size() == 1);
    CHECK_THAT(rejected_in(broken[0]).reason(), Catch::Matchers::Contains("broken off"));
    CHECK(rejected_in(broken[0]).raw() == scan_line(2));
    CHECK(source.stats().connections == 0);
}

TEST_CASE("TCP: a connection that loses its counts is closed, and what stood there is kept") {
    Listening on(true);
    on.open();
    const auto counted = on.connect();
    send(counted, fmt::format("{} {}oops", scan_line(1).size(), scan_line(1)));
    const auto entries = on.read_lines(2);
    REQUIRE(entries.size() == 2);
    CHECK(rejected_in(entries[1]).raw() == "oops");
    CHECK(is_closed(counted));
}

TEST_CASE("TCP: connections beyond the bound are refused and counted, and there is room again after one ends") {
    Listening on(true);
    on.listen.max_connections = 2;
    auto& source = on.open();
    auto first = on.connect();
    const auto second = on.connect();
    send(first, scan_line(1) + "\n");
    send(second, scan_line(2) + "\n");
    CHECK(on.read_lines(2).size() == 2);
    const auto third = on.connect();
    on.wait();
    CHECK(on.read().empty());
    CHECK(is_closed(third));
    CHECK(source.stats().connections_over == 1);
    CHECK(source.stats().connections == 2);
    first = File{};
    on.wait();
    CHECK(on.read().empty());
    const auto fourth = on.connect();
    send(fourth, scan_line(4) + "\n");
    CHECK(names_of(on.read_lines(3)) == std::vector<std::string>{"Signature 4"});
}

TEST_CASE("TCP: a connection without a byte is closed after the limit, its half line kept") {
    Listening on(true);
    on.listen.idle_limit = std::chrono::seconds{10};
    auto& source = on.open();
    const auto idle = on.connect();
    send(idle, "500 " + scan_line(1));
    while (source.stats().bytes == 0) {
        on.wait();
        CHECK(on.read(0).empty());
    }
    CHECK(source.stats().connections == 1);
    CHECK(on.read(10'000).empty());
    const auto entries = on.read(10'001);
    REQUIRE(entries.size() == 1);
    CHECK(rejected_in(entries[0]).raw() == scan_line(1));
    CHECK(source.stats().connections_idle == 1);
    CHECK(is_closed(idle));
}

TEST_CASE("TCP: a line beyond the bound is rejected, and memory stays bounded while it comes") {
    Listening on(true);
    auto& source = on.open();
    const auto sender = on.connect();
    const std::string piece(64 << 10, 'x');
    std::vector<Produced> entries;
    for (int i = 0; i < 64; ++i) {
        send(sender, piece);
        for (auto& entry : on.read()) {
            entries.push_back(std::move(entry));
        }
    }
    send(sender, "\n" + scan_line(1) + "\n");
    for (auto& entry : on.read_lines(2)) {
        entries.push_back(std::move(entry));
    }
    REQUIRE(entries.size() == 2);
    CHECK(rejected_in(entries[0]).raw_size() == 4U << 20);
    CHECK(rejected_in(entries[0]).raw().size() == on.options.max_line_bytes);
    CHECK(names_of({entries[1]}) == std::vector<std::string>{"Signature 1"});
    CHECK(source.stats().overlong == 1);
}

TEST_CASE("a call reads within its budget and says that there is more") {
    for (const bool tcp : {false, true}) {
        Listening on(tcp);
        on.open();
        const auto sender = on.connect();
        std::string bytes;
        for (int i = 0; i < 300; ++i) {
            tcp ? void(bytes += scan_line(i) + "\n") : send(sender, scan_line(i));
        }
        if (tcp) {
            send(sender, bytes);
        }
        on.wait();
        std::vector<Produced> out;
        auto state = on.source->read_some(1000, at_ms(0), out);
        while (state && *state == ReadState::more && out.empty()) {  // the connection is taken first
            state = on.source->read_some(1000, at_ms(0), out);
        }
        REQUIRE(state);
        CHECK(*state == ReadState::more);
        CHECK(out.size() < 300);
        CHECK(out.size() + on.read_lines(300).size() == 300);
    }
}

TEST_CASE("what has arrived when the agent stops is handed out, half lines too") {
    for (const bool tcp : {false, true}) {
        Listening on(tcp);
        auto& source = on.open();
        const auto sender = on.connect();
        send(sender, scan_line(1) + (tcp ? "\n" + scan_line(2) : ""));
        on.wait();
        std::vector<Produced> out;
        source.release_held(out);
        CHECK(names_of(out) == signatures(1, tcp ? 2 : 1));
    }
}

TEST_CASE("an address that is taken is a failure that is tried again after a second") {
    Listening first(true);
    first.open();
    Listening second(true);
    second.listen.port = first.listen.port;
    second.source = listen_for_syslog(LineFormat::sonicwall, second.options, second.listen);
    std::vector<Produced> out;
    const auto failed = second.source->read_some(1000, at_ms(0), out);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().kind == base::FailureKind::conflict);
    CHECK_THAT(failed.error().what, Catch::Matchers::Contains("cannot listen on tcp://127.0.0.1"));
    CHECK(second.source->descriptor() == -1);
    first.source.reset();
    CHECK(*second.source->read_some(1000, at_ms(999), out) == ReadState::caught_up);
    CHECK(second.source->descriptor() == -1);
    CHECK(*second.source->read_some(1000, at_ms(1000), out) == ReadState::caught_up);
    const auto sender = second.connect();
    send(sender, scan_line(1) + "\n");
    CHECK(names_of(second.read_lines(1, 1000)) == std::vector<std::string>{"Signature 1"});
}

TEST_CASE("kinds of skipped lines are bounded") {
    Listening on(false);
    auto& source = on.open();
    const auto sender = on.connect();
    for (int i = 0; i < 60; ++i) {
        send(sender, fmt::format("id=firewall m={}", 5000 + i));
    }
    on.read_lines(60);
    const auto kinds = source.stats().skipped_kinds;
    CHECK(kinds.size() == Entries::max_kinds + 1);
    CHECK(kinds.at("other") == 60 - Entries::max_kinds);
}

TEST_CASE("firewall lines from a file: as the other sources, with positions and a checkpoint") {
    TemporaryFolder folder;
    auto options = options_for(folder.file("syslog"));
    append(options.path, scan_line(1) + "\nid=firewall m=537\n\nnonsense\n" + std::string(100, ' ') + scan_line(2) +
                             "\n" + scan_line(3).substr(0, 40));
    auto source = follow_file(LineFormat::sonicwall, options, {}, {});
    const auto entries = drain(*source);
    CHECK(names_of(entries) == std::vector<std::string>{"Signature 1", "rejected", "Signature 2"});
    CHECK_FALSE(to_bytes(entries[0].position).empty());
    CHECK(source->stats().skipped == 1);
    append(options.path, scan_line(3).substr(40) + "\n");
    const auto checkpoint = source->checkpoint();
    REQUIRE(checkpoint);
    auto again = follow_file(LineFormat::sonicwall, options, checkpoint, {});
    CHECK(names_of(drain(*again)) == std::vector<std::string>{"Signature 3"});
}

TEST_CASE("who only comes and goes takes part of a turn, so that the others get theirs") {
    Listening on(true);
    on.listen.allow = {*domain::parse_range("127.0.0.1/32")};
    auto& source = on.open();
    for (const std::string from : {"127.0.0.2", "127.0.0.1"}) {  // sent away, and taken
        (void)on.connect(from);                                  // and gone
        on.wait();
        std::vector<Produced> out;
        const auto state = source.read_some(1, at_ms(0), out);
        REQUIRE(state);
        REQUIRE(*state == ReadState::more);
    }
}

}  // namespace
}  // namespace mimamori::agent::sources
