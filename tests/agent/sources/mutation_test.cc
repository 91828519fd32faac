// Bytes that no detector should write: nothing crashes, every line is accounted for, every payload is well-formed and
// within its bounds, and the good line that follows is read.
#include <random>

#include "base/text.h"
#include "support.h"

namespace mimamori::agent::sources {
namespace {

class Mutator {
  public:
    explicit Mutator(std::uint32_t seed) : random_(seed) {}

    std::string mutate(std::string text) {
        static const std::vector<std::string> pieces{"{",
                                                     "}",
                                                     "[",
                                                     "]",
                                                     "\"",
                                                     "\\",
                                                     "\n",
                                                     "\r\n",
                                                     ",",
                                                     ":",
                                                     "null",
                                                     "-1",
                                                     "1e999",
                                                     "18446744073709551616",
                                                     std::string(1, '\0'),
                                                     "\xFF",
                                                     "\xE3\x81",
                                                     "\\u0000",
                                                     "\\ud800",
                                                     "\\/",
                                                     "=?ISO-2022-JP?B?GyRC?=",
                                                     "true",
                                                     std::string(200, '['),
                                                     std::string(5000, 'A')};
        for (std::size_t i = 1 + random_() % 6; i > 0 && !text.empty(); --i) {
            const auto at = random_() % text.size();
            switch (random_() % 5) {
                case 0:
                    text[at] = static_cast<char>(random_());
                    break;
                case 1:
                    text.erase(at, 1 + random_() % 20);
                    break;
                case 2:
                    text.insert(at, pieces[random_() % pieces.size()]);
                    break;
                case 3:
                    text.insert(at, text.substr(random_() % text.size(), random_() % 100));
                    break;
                default:
                    text.resize(at);
                    break;
            }
        }
        return text;
    }
    std::size_t pick(std::size_t below) { return random_() % below; }

  private:
    std::mt19937 random_;
};

void check_bounds(const Produced& entry) {
    REQUIRE(entry.payload.size() <= (64 << 10) + 1024);
    if (entry.kind == EntryKind::event) {
        const auto d = detection_in(entry);
        REQUIRE(d.function() != detection::v1::FUNCTION_UNSPECIFIED);
        for (const auto* text : {&d.source_ip(), &d.lan_mac(), &d.protocol(), &d.threat_name(), &d.virus_name(),
                                 &d.file_name(), &d.mail_subject(), &d.mail_date(), &d.destination_host(), &d.url(),
                                 &d.category(), &d.application(), &d.app_protocol(), &d.threat_id()}) {
            REQUIRE(base::is_utf8(*text));
            REQUIRE(text->find('\0') == std::string::npos);
            REQUIRE(text->size() <= 2048);
        }
        REQUIRE(d.raw().size() <= 8192);
    } else if (entry.kind == EntryKind::rejected) {
        const auto r = rejected_in(entry);
        REQUIRE_FALSE(r.reason().empty());
        REQUIRE(r.raw_size() >= r.raw().size());
    }
}

void mutate_lines_of(const std::string& path, LineFormat format, const std::string& good_line) {
    std::vector<std::string> lines;
    std::istringstream in(content_of(path));
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    const auto first = std::random_device{}();
    for (std::uint32_t seed = first; seed != first + 400; ++seed) {
        INFO("seed " << seed);
        Mutator mutator(seed);
        TemporaryFolder folder;
        auto options = options_for(folder.file("log"));
        options.max_line_bytes = 16 << 10;
        std::string log;
        for (int i = 0; i < 8; ++i) {
            log += mutator.mutate(lines[mutator.pick(lines.size())]) + "\n";
        }
        append(options.path, log + good_line);
        auto source = follow_file(format, options, {}, {});
        const auto entries = drain(*source);
        for (const auto& entry : entries) {
            check_bounds(entry);
        }
        const auto stats = source->stats();
        REQUIRE(stats.lines == stats.events + stats.blocks + stats.rejected + stats.skipped);
        REQUIRE(entries.size() == stats.events + stats.blocks + stats.rejected);
        REQUIRE(stats.held == 0);
        REQUIRE_FALSE(entries.empty());
        REQUIRE(names_of(entries).back() == "the good line");
    }
}

TEST_CASE("mutated EVE lines") {
    mutate_lines_of(MIMAMORI_TEST_DATA "/eve/suricata-7.0.10-loopback.ndjson", LineFormat::suricata_eve,
                    R"({"event_type":"alert","alert":{"signature":"the good line"}})"
                    "\n");
}

TEST_CASE("mutated native lines") {
    mutate_lines_of(
        MIMAMORI_TEST_DATA "/native/all.ndjson", LineFormat::native,
        R"({"type":"detection","function":"ips","observed_at":"2026-04-08T10:39:40Z","action":"logged","threat_name":"the good line"})"
        "\n");
}

}  // namespace
}  // namespace mimamori::agent::sources
