#include "appliance-agent/sources/framer.h"

#include <random>

#include "support.h"

namespace mimamori::agent::sources {
namespace {

struct Seen {
    std::uint64_t offset;
    std::uint64_t size;
    std::string text;
    FrameFault fault;
    friend bool operator==(const Seen&, const Seen&) = default;
};

std::vector<Seen> frames_of(std::string_view bytes, std::size_t step = 1 << 20, std::size_t max = 200,
                            std::size_t from = 0) {
    std::vector<Seen> out;
    Framer framer(Framing::objects, max, max / 4);
    framer.restart(from);
    const auto sink = [&](const Frame& f) { out.push_back({f.offset, f.size, std::string(f.text), f.fault}); };
    for (std::size_t at = from; at < bytes.size(); at += step) {
        framer.feed(bytes.substr(at, step), sink);
    }
    framer.finish(sink);
    return out;
}

std::vector<std::pair<std::string, FrameFault>> texts_of(std::string_view bytes) {
    std::vector<std::pair<std::string, FrameFault>> out;
    for (auto& frame : frames_of(bytes)) {
        out.emplace_back(frame.text, frame.fault);
    }
    return out;
}

using Texts = std::vector<std::pair<std::string, FrameFault>>;
constexpr auto good = FrameFault::none;
constexpr auto other = FrameFault::not_an_object;
constexpr auto broken = FrameFault::broken_off;

TEST_CASE("one object a line, with LF, CRLF or no newline at the end") {
    CHECK(texts_of("{\"a\":1}\n{\"b\":2}\r\n\r\n{\"c\":3}") ==
          Texts{{"{\"a\":1}", good}, {"{\"b\":2}", good}, {"{\"c\":3}", good}});
}

TEST_CASE("braces, brackets and newlines in strings do not count") {
    CHECK(texts_of(R"({"a":"}{][\"}\\"})") == Texts{{R"({"a":"}{][\"}\\"})", good}});
}

TEST_CASE("a pretty-printed array gives its objects") {
    const std::string text =
        "[\n    {\n        \"a\": [\n            {\"x\": 1}\n        ]\n    },\n    {\n        \"b\": 2\n    }\n]\n";
    const auto frames = frames_of(text);
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].fault == good);
    CHECK(frames[0].offset == text.find("{\n"));
    CHECK(frames[1].text == "{\n        \"b\": 2\n    }");
}

TEST_CASE("a whole array on one line gives its objects") {
    CHECK(texts_of("[{\"a\":1},{\"b\":2}]\n") == Texts{{"{\"a\":1}", good}, {"{\"b\":2}", good}});
}

TEST_CASE("an object broken inside a string ends with its line") {
    CHECK(texts_of("{\"a\":\"half\n{\"b\":2}\n") == Texts{{"{\"a\":\"half", broken}, {"{\"b\":2}", good}});
}

TEST_CASE("an object broken between members ends before the next line that opens one") {
    CHECK(texts_of("{\"a\":{\"x\":1},\n{\"b\":2}\n") == Texts{{"{\"a\":{\"x\":1},", broken}, {"{\"b\":2}", good}});
    CHECK(texts_of("{\"a\":\n{\"b\":2}\n") == Texts{{"{\"a\":", broken}, {"{\"b\":2}", good}});
}

TEST_CASE("a line that is no object is one frame, and NULs and a byte order mark are passed over") {
    CHECK(texts_of("plain text, really [x]\n{\"a\":1}\n") ==
          Texts{{"plain text, really [x]", other}, {"{\"a\":1}", good}});
    CHECK(texts_of(std::string("\0\0\0{\"a\":1}\n", 11)) == Texts{{"{\"a\":1}", good}});
    CHECK(texts_of("\xEF\xBB\xBF{\"a\":1}\n") == Texts{{"{\"a\":1}", good}});
}

TEST_CASE("what the file ends inside of is broken off") {
    CHECK(texts_of("{\"a\":1") == Texts{{"{\"a\":1", broken}});
    CHECK(texts_of("half") == Texts{{"half", other}});
}

TEST_CASE("an object beyond the bound keeps its beginning and its size, and the next one is whole") {
    const std::string big = "{\"a\":\"" + std::string(10'000, 'x') + "\"}";
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
        const auto frames = frames_of(big + "\n{\"b\":2}\n", step);
        REQUIRE(frames.size() == 2);
        CHECK(frames[0] == Seen{0, big.size(), big.substr(0, 50), FrameFault::too_long});
        CHECK(frames[1].text == "{\"b\":2}");
    }
}

TEST_CASE("an unbalanced object of endless size ends at the next line that opens one") {
    const std::string big = "{\"a\":[" + std::string(1000, '1');
    const auto frames = frames_of(big + "\n   {\"b\":2}\n");
    REQUIRE(frames.size() == 2);
    CHECK(frames[0].fault == FrameFault::too_long);
    CHECK(frames[1].text == "{\"b\":2}");
}

TEST_CASE("frames depend on the bytes alone: not on how they are fed, nor on where reading began") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    static constexpr std::string_view alphabet = "{}[]\"\\\n\r, :ab1\0";
    for (int round = 0; round < 300; ++round) {
        std::string text;
        const auto size = random() % 120;
        for (std::size_t i = 0; i < size; ++i) {
            text.push_back(random() % 8 == 0 ? '{' : alphabet[random() % alphabet.size()]);
        }
        const auto whole = frames_of(text, 1 << 20, 40);
        for (const std::size_t step : {1U, 2U, 3U, 17U}) {
            REQUIRE(frames_of(text, step, 40) == whole);
        }
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            Framer framer(Framing::objects, 40, 10);
            std::vector<Seen> seen;
            const auto sink = [&](const Frame& f) { seen.push_back({f.offset, f.size, std::string(f.text), f.fault}); };
            framer.feed(std::string_view(text).substr(0, cut), sink);
            const auto rest = frames_of(text, 5, 40, framer.settled_offset());
            seen.insert(seen.end(), rest.begin(), rest.end());
            REQUIRE(seen == whole);
        }
    }
}

}  // namespace
}  // namespace mimamori::agent::sources
