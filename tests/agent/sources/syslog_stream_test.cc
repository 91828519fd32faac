#include "appliance-agent/sources/syslog_stream.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace mimamori::agent::sources {
namespace {

struct Seen {
    std::string text;
    FrameFault fault;
    std::uint64_t size;
    friend bool operator==(const Seen&, const Seen&) = default;
};

struct Result {
    std::vector<Seen> frames;
    bool ok = true;
};

Result read(std::string_view bytes, std::size_t step = 1 << 20, bool finish = true) {
    Result out;
    SyslogStream stream(40, 10);
    const auto sink = [&](const Frame& f) { out.frames.push_back({std::string(f.text), f.fault, f.size}); };
    for (std::size_t at = 0; at < bytes.size() && out.ok; at += step) {
        out.ok = stream.feed(bytes.substr(at, step), sink);
    }
    if (finish) {
        stream.finish(sink);
    }
    return out;
}

std::vector<std::string> texts(std::string_view bytes) {
    std::vector<std::string> out;
    for (const auto& frame : read(bytes).frames) {
        CHECK(frame.fault == FrameFault::none);
        out.push_back(frame.text);
    }
    return out;
}

TEST_CASE("a connection that begins with a count is octet-counted; newlines inside are text") {
    CHECK(texts("9 <134>id=a11 <134>id=b\nc") == std::vector<std::string>{"<134>id=a", "<134>id=b\nc"});
    CHECK(texts("9 <134>id=a\n10 <134>id=b\n") == std::vector<std::string>{"<134>id=a", "<134>id=b"});
}

TEST_CASE("any other connection is lines, with or without a priority") {
    CHECK(texts("<134>id=a\r\n<134>id=b\n") == std::vector<std::string>{"<134>id=a", "<134>id=b"});
    CHECK(texts("id=a\nid=b") == std::vector<std::string>{"id=a", "id=b"});
    CHECK(texts("2026-04-08 id=a\n") == std::vector<std::string>{"2026-04-08 id=a"});
    CHECK(texts("10 monkeys\n") == std::vector<std::string>{"10 monkeys"});
    CHECK(texts("0 <134>x\n") == std::vector<std::string>{"0 <134>x"});
    CHECK(texts("123456789 <134>x\n") == std::vector<std::string>{"123456789 <134>x"});
    CHECK(texts("[a,b]\n") == std::vector<std::string>{"[a,b]"});
    CHECK(texts("12") == std::vector<std::string>{"12"});
    CHECK(texts("").empty());
    CHECK(texts("\n\n\r\n").empty());
}

TEST_CASE("lines once told stay lines, counts once told stay counts") {
    CHECK(texts("id=a\n9 <134>id=b\n") == std::vector<std::string>{"id=a", "9 <134>id=b"});
    const auto bad = read("9 <134>id=a<134>id=b\n9 <134>id=c");
    CHECK_FALSE(bad.ok);
    REQUIRE(bad.frames.size() == 2);
    CHECK(bad.frames[1].fault == FrameFault::bad_count);
    CHECK(bad.frames[1].text == "<134>id=b");
    CHECK_FALSE(read("9 <134>id=a0 x").ok);
    CHECK_FALSE(read("9 <134>id=a123456789 x").ok);
}

TEST_CASE("messages beyond the bound keep their beginning and size, and the next one is whole") {
    const std::string big(100, 'x');
    const auto counted = read("100 <" + big.substr(1) + "9 <134>id=a");
    REQUIRE(counted.frames.size() == 2);
    CHECK(counted.frames[0] == Seen{"<" + big.substr(0, 9), FrameFault::too_long, 100});
    CHECK(counted.frames[1].text == "<134>id=a");
    const auto lines = read(big + "\nid=a\n");
    REQUIRE(lines.frames.size() == 2);
    CHECK(lines.frames[0] == Seen{big.substr(0, 10), FrameFault::too_long, 100});
}

TEST_CASE("a counted message that the connection ends inside is broken off") {
    CHECK(read("9 <134>").frames == std::vector<Seen>{{"<134>", FrameFault::broken_off, 5}});
    CHECK(read("9 <134>id=a12").frames.back() == Seen{"12", FrameFault::broken_off, 2});
    CHECK(read("9 <134>", 1, false).frames.empty());
}

TEST_CASE("messages do not depend on how the bytes come") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    static constexpr std::string_view alphabet = "0123459 <>\n\r=ax";
    for (int round = 0; round < 500; ++round) {
        std::string bytes = round % 2 == 0 ? "5 <134>" : "";
        for (auto left = random() % 80; left > 0; --left) {
            bytes.push_back(alphabet[random() % alphabet.size()]);
        }
        const auto whole = read(bytes);
        for (const std::size_t step : {1U, 2U, 7U}) {
            const auto cut = read(bytes, step);
            REQUIRE(cut.ok == whole.ok);
            if (whole.ok) {
                REQUIRE(cut.frames == whole.frames);
            } else {  // how much of the wrong count is kept depends on what has come
                REQUIRE(cut.frames.size() == whole.frames.size());
            }
        }
    }
}

}  // namespace
}  // namespace mimamori::agent::sources
