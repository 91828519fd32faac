// Events: attacker-written text stays inside its field, and every event is counted whether or not its line was written.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "platform/events.h"

using namespace mimamori;

namespace {

constexpr platform::Event something_seen{"something_seen", platform::Level::warning, "Something was seen."};

// What was written to a pipe; the writing end is not blocking, so a full pipe cannot hang the test.
class Captured {
  public:
    Captured() { REQUIRE(::pipe2(ends_, O_CLOEXEC | O_NONBLOCK) == 0); }
    ~Captured() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    int fd() const { return ends_[1]; }
    std::string take() {
        std::string out(256 * 1024, '\0');
        const auto got = ::read(ends_[0], out.data(), out.size());
        out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return out;
    }

  private:
    int ends_[2] = {-1, -1};
};

}  // namespace

TEST_CASE("text becomes JSON that no reader can be led astray by") {
    struct Row {
        std::string given, json;
    };
    const std::vector<Row> rows{
        {"plain", R"("plain")"},
        {"日本語", R"("日本語")"},
        {"a\"b\\c", R"("a\"b\\c")"},
        {"line\nnext\r\t", R"("line\nnext\u000d\u0009")"},
        {"\x1b[31mred\x7f", R"("\u001b[31mred\u007f")"},
        {"\xE2\x80\xAE" "gpj.exe", R"("\u202egpj.exe")"},       // right-to-left override
        {"\xC2\x85", R"("\u0085")"},                              // C1: next line
        {"\xF3\xA0\x81\x81", R"("\udb40\udc41")"},               // invisible tag character
        {"bad \xff\xc0 bytes", "\"bad \xEF\xBF\xBD\xEF\xBF\xBD bytes\""},
        {std::string{"nul\0!", 5}, "\"nul\xEF\xBF\xBD!\""},
    };
    for (const auto& row : rows) {
        CHECK(platform::json_quoted(row.given) == row.json);
    }
}

TEST_CASE("long text is cut at a character's edge") {
    const std::string given = "xx日本語";
    CHECK(platform::json_quoted(given, 7) == "\"xx日\"");
    CHECK(platform::json_quoted(std::string(1'000'000, 'x')).size() == 2002);
}

TEST_CASE("an event is one line of JSON and one count") {
    Captured captured;
    platform::Metrics metrics;
    platform::Events events{"gateway", metrics, captured.fd()};
    events.emit(something_seen, {{"name", "evil\n{\"level\":\"info\"}"},
                                 {"stream", std::int64_t{12}},
                                 {"bytes", std::uint64_t{18446744073709551615U}},
                                 {"ratio", 0.5},
                                 {"nothing", std::numeric_limits<double>::infinity()},
                                 {"first", true}});
    const auto line = captured.take();
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    CHECK(line.find(R"("level":"warning","role":"gateway","event":"something_seen","help":"Something was seen.")") != std::string::npos);
    CHECK(line.find(R"("name":"evil\n{\"level\":\"info\"}","stream":12,"bytes":18446744073709551615,"ratio":0.5,"nothing":null,"first":true})") !=
          std::string::npos);
    CHECK(metrics.text().find(R"(mimamori_events_total{event="something_seen",level="warning"} 1)") != std::string::npos);
}

TEST_CASE("a flood is counted in full, written in part, and the lines left out are stated") {
    Captured captured;
    platform::Metrics metrics;
    platform::Events events{"gateway", metrics, captured.fd()};
    constexpr std::uint64_t flood = 20 * platform::Events::lines_per_second;
    const auto began = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < flood; ++i) {
        events.emit(something_seen);
    }
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
    const auto lines = captured.take();
    CHECK(std::count(lines.begin(), lines.end(), '\n') <=
          static_cast<std::int64_t>(platform::Events::lines_per_second) * (seconds + 1));
    CHECK(metrics.text().find("} 1000\n") != std::string::npos);
    // The next second's first line says how many were left out.
    std::string next;
    while (next.empty()) {
        events.emit(something_seen);
        next = captured.take();
    }
    CHECK(next.find("\"left_out\":") != std::string::npos);
}

TEST_CASE("a log that cannot be written does not stop the service") {
    platform::Metrics metrics;
    platform::Events events{"gateway", metrics, -1};
    events.emit(something_seen);
    CHECK(metrics.text().find("} 1\n") != std::string::npos);
}

TEST_CASE("a log that nobody reads holds nobody up, and says afterwards how much it left out") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);  // writing to it blocks
    platform::Metrics metrics;
    platform::Events events{"gateway", metrics, ends[1]};
    REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    const std::string filler(4096, '.');
    REQUIRE(::write(ends[1], filler.data(), filler.size()) == 4096);
    events.emit(something_seen);
    events.emit(something_seen);
    std::string out(8192, '\0');
    REQUIRE(::read(ends[0], out.data(), out.size()) == 4096);
    events.emit(something_seen);
    out.resize(static_cast<std::size_t>(::read(ends[0], out.data(), out.size())));
    REQUIRE_THAT(out, Catch::Matchers::Contains("\"left_out\":2"));
    ::close(ends[0]);
    ::close(ends[1]);
}
