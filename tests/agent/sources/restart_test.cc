// Exactly once from log line to spool: a source is killed after every step of a history and begun again from what was
// durable then. The durable side is modelled as the agent's loop has it: entries with their positions, lanes synced
// one by one, the checkpoint stored after them or not at all.
#include <map>
#include <random>
#include <set>

#include "support.h"

namespace mimamori::agent::sources {
namespace {

namespace fs = std::filesystem;

// What survives a kill.
struct Durable {
    std::optional<Checkpoint> checkpoint;
    std::vector<Position> positions;
    std::vector<std::string> payloads;

    void add(const Produced& entry) {
        positions.push_back(*position_from(to_bytes(entry.position)));
        payloads.push_back(entry.payload);
    }
    void store(const std::optional<Checkpoint>& mark) {
        checkpoint = mark ? checkpoint_from(to_bytes(*mark)) : std::nullopt;
    }
    std::vector<std::string> sorted() const {
        auto out = payloads;
        std::sort(out.begin(), out.end());
        return out;
    }
};

std::unique_ptr<Source> begin(LineFormat format, const SourceOptions& options, const Durable& durable) {
    return follow_file(format, options, durable.checkpoint, durable.positions);
}

void run_to_end(Source& source, Durable& durable) {
    for (const auto& entry : drain(source, 1'000'000)) {
        durable.add(entry);
    }
    durable.store(source.checkpoint());
}

std::string native_log() {
    std::string out;
    for (int i = 0; i < 6; ++i) {
        out += native_line(i);
        out += R"({"type":"block","kind":"url","key":"ads)" + std::to_string(i) +
               R"(.example","observed_at":"2026-04-08T10:39:40Z"})"
               "\r\n";
    }
    return out + "not a line of ours\n{\"type\":\"half\n" + native_line(7) + std::string(400, 'x') + "\n" +
           native_line(8);
}

// The same file, read to every byte before the kill, with the checkpoint stored or not stored before it.
void kill_at_every_byte(LineFormat format, const std::string& content, std::size_t stride) {
    TemporaryFolder folder;
    auto options = options_for(folder.file("log"));
    options.max_line_bytes = 4096;
    append(options.path, content);
    Durable whole;
    run_to_end(*begin(format, options, {}), whole);
    REQUIRE(whole.payloads.size() > 1);
    for (std::size_t cut = 1; cut <= content.size(); cut += stride) {
        for (const bool checkpoint_stored : {true, false}) {
            INFO("killed at byte " << cut << (checkpoint_stored ? ", checkpoint stored" : ", checkpoint lost"));
            Durable durable;
            {
                auto source = begin(format, options, durable);
                std::vector<Produced> out;
                REQUIRE(source->read_some(1, at_ms(0), out));  // finds the file
                REQUIRE(source->read_some(cut, at_ms(0), out));
                for (const auto& entry : out) {
                    durable.add(entry);
                }
                if (checkpoint_stored) {
                    durable.store(source->checkpoint());
                }
            }
            run_to_end(*begin(format, options, durable), durable);
            REQUIRE(durable.sorted() == whole.sorted());
        }
    }
}

TEST_CASE("a native log killed at every byte gives exactly the same entries") {
    kill_at_every_byte(LineFormat::native, native_log(), 1);
}

TEST_CASE("an EVE log killed at every byte gives exactly the same entries, joins included") {
    const auto eve = content_of(MIMAMORI_TEST_DATA "/eve/suricata-7.0.10-loopback.ndjson");
    const std::string mail =
        R"({"event_type":"alert","flow_id":18446744073709551615,"tx_id":0,"app_proto":"smtp","src_ip":"198.51.100.1","alert":{"signature":"EICAR"}})"
        "\n"
        R"({"event_type":"alert","flow_id":2,"alert":{"signature":"behind"}})"
        "\n"
        R"({"event_type":"fileinfo","flow_id":18446744073709551615,"src_ip":"198.51.100.1","fileinfo":{"filename":"a","tx_id":0}})"
        "\n"
        R"({"event_type":"smtp","flow_id":18446744073709551615,"tx_id":0,"email":{"subject":"s"}})"
        "\n"
        R"({"event_type":"alert","flow_id":18446744073709551615,"tx_id":0,"app_proto":"smtp","src_ip":"198.51.100.1","alert":{"signature":"EICAR again"}})"
        "\n";
    kill_at_every_byte(LineFormat::suricata_eve, mail, 1);
    kill_at_every_byte(LineFormat::suricata_eve, eve, 7);
}

// Histories: writing, rotating, truncating, reading and kills in random order. Whatever is written is spooled once.
class History {
  public:
    // The history begins when the agent has found the file: what was rotated away before is none of its business.
    explicit History(std::uint32_t seed) : random_(seed) {
        options_ = options_for(folder_.file("log"));
        write();
        source_ = begin(LineFormat::native, options_, durable_);
        std::vector<Produced> out;
        REQUIRE(source_->read_some(1, at_ms(0), out));
        REQUIRE(out.empty());
        durable_.store(source_->checkpoint());
    }

    void run(int steps) {
        for (int step = 0; step < steps; ++step) {
            switch (pick(12)) {
                case 0:
                case 1:
                case 2:
                case 3:
                    write();
                    break;
                case 4:
                    write_half();
                    break;
                case 5:
                    rotate();
                    break;
                case 6:
                    copy_and_truncate();
                    break;
                case 7:
                    kill();
                    break;
                default:
                    read();
                    break;
            }
        }
        write();
        read_to_end();
    }

    std::vector<std::string> written() const { return written_; }
    std::vector<std::string> spooled() const {
        std::vector<std::string> out;
        for (const auto& payload : durable_.payloads) {
            detection::v1::Detection detection;
            REQUIRE(detection.ParseFromString(payload));
            out.push_back(detection.threat_name());
        }
        std::sort(out.begin(), out.end(),
                  [](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() < b.size() : a < b; });
        return out;
    }

  private:
    std::size_t pick(std::size_t below) { return random_() % below; }
    std::string next_line() {
        written_.push_back("Signature " + std::to_string(written_.size()));
        return native_line(static_cast<int>(written_.size()) - 1);
    }

    void write() {
        std::string lines = std::exchange(half_, {});
        for (std::size_t i = 1 + pick(4); i > 0; --i) {
            lines += next_line();
        }
        append(options_.path, lines);
    }
    void write_half() {
        if (half_.empty()) {
            const auto line = next_line();
            const auto cut = 1 + pick(line.size() - 1);
            append(options_.path, line.substr(0, cut));
            half_ = line.substr(cut);
        }
    }
    // A writer ends its line before it lets a file go.
    void end_line() { append(options_.path, std::exchange(half_, {})); }
    std::string shift() {
        for (int i = 20; i >= 1; --i) {
            const auto from = options_.path + "." + std::to_string(i);
            if (fs::exists(from)) {
                fs::rename(from, options_.path + "." + std::to_string(i + 1));
            }
        }
        return options_.path + ".1";
    }
    void rotate() {
        end_line();
        if (fs::exists(options_.path) && fs::file_size(options_.path) > 0) {
            fs::rename(options_.path, shift());
        }
    }
    // Only one content at a time is left unread this way, as with any reader that is not days late.
    void copy_and_truncate() {
        end_line();
        if (fs::exists(options_.path) && fs::file_size(options_.path) > 0) {
            read_to_end();
            append(options_.path, next_line());
            fs::copy_file(options_.path, shift());
            fs::resize_file(options_.path, 0);
            read();
        }
    }

    void read() {
        if (!source_) {
            source_ = begin(LineFormat::native, options_, durable_);
        }
        std::vector<Produced> out;
        now_ms_ += 700;
        REQUIRE(source_->read_some(1 + pick(2000), at_ms(now_ms_), out));
        // Lanes are synced one by one: a kill may come between them, and before the checkpoint is stored.
        const bool killed = pick(6) == 0;
        for (const auto& entry : out) {
            if (!killed || pick(2) == 0) {
                durable_.add(entry);
            }
        }
        if (killed) {
            kill();
        } else if (pick(3) != 0) {
            durable_.store(source_->checkpoint());
        }
    }
    void kill() { source_.reset(); }
    void read_to_end() {
        end_line();
        if (!source_) {
            source_ = begin(LineFormat::native, options_, durable_);
        }
        // Each older file is left after a second of silence: once a look, with 21 files at most.
        for (int i = 0; i < 50; ++i) {
            now_ms_ += 1'000;
            for (const auto& entry : read_all(*source_, at_ms(now_ms_))) {
                durable_.add(entry);
            }
        }
        durable_.store(source_->checkpoint());
    }

    std::mt19937 random_;
    TemporaryFolder folder_;
    SourceOptions options_;
    Durable durable_;
    std::unique_ptr<Source> source_;
    std::vector<std::string> written_;
    std::string half_;
    std::int64_t now_ms_ = 0;
};

TEST_CASE("whatever is written, rotated, truncated and killed, every line is spooled exactly once") {
    const auto first = std::random_device{}();
    for (std::uint32_t seed = first; seed != first + 150; ++seed) {
        INFO("seed " << seed);
        History history(seed);
        history.run(60);
        REQUIRE(history.spooled() == history.written());
    }
}

}  // namespace
}  // namespace mimamori::agent::sources
