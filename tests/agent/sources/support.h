// What the tests of the agent's sources share: a folder of their own, and a source read to its end.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "appliance-agent/sources/source.h"
#include "mimamori/detection/v1/detection.pb.h"

namespace mimamori::agent::sources {

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "mimamori-sources-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    std::string file(std::string_view name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

inline void append(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
}

inline std::string content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    INFO(path);
    REQUIRE(in);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

inline base::Time at_ms(std::int64_t ms) {
    return base::time_from_us(1'000'000'000 + ms * 1000);
}

// Reads until nothing more comes, `step` bytes a call, all at the same moment.
inline std::vector<Produced> read_all(Source& source, base::Time now = at_ms(0), std::size_t step = 1 << 16) {
    std::vector<Produced> out;
    for (;;) {
        const auto state = source.read_some(step, now, out);
        INFO((state ? std::string{} : state.error().what));
        REQUIRE(state);
        if (*state == ReadState::caught_up) {
            return out;
        }
    }
}

// Reads what is there, and once more when every wait is over.
inline std::vector<Produced> drain(Source& source, std::int64_t from_ms = 0) {
    auto out = read_all(source, at_ms(from_ms));
    for (int i = 1; i <= 4; ++i) {
        for (auto& entry : read_all(source, at_ms(from_ms + i * 5'000))) {
            out.push_back(std::move(entry));
        }
    }
    return out;
}

inline detection::v1::Detection detection_in(const Produced& entry) {
    REQUIRE(entry.kind == EntryKind::event);
    detection::v1::Detection out;
    REQUIRE(out.ParseFromString(entry.payload));
    return out;
}

inline detection::v1::Rejected rejected_in(const Produced& entry) {
    REQUIRE(entry.kind == EntryKind::rejected);
    detection::v1::Rejected out;
    REQUIRE(out.ParseFromString(entry.payload));
    return out;
}

inline detection::v1::Block block_in(const Produced& entry) {
    REQUIRE(entry.kind == EntryKind::block);
    detection::v1::Block out;
    REQUIRE(out.ParseFromString(entry.payload));
    return out;
}

inline SourceOptions options_for(const std::string& path) {
    SourceOptions options;
    options.index = 3;
    options.id = "utm-log";
    options.path = path;
    return options;
}

// A native line that differs from every other by `number`.
inline std::string native_line(int number) {
    return R"({"type":"detection","function":"ips","observed_at":"2026-04-08T10:39:40+09:00","action":"blocked",)"
           R"("threat_name":"Signature )" +
           std::to_string(number) + "\"}\n";
}

// The names of the detections, in order; "rejected" or "block" for other entries.
inline std::vector<std::string> names_of(const std::vector<Produced>& entries) {
    std::vector<std::string> out;
    for (const auto& entry : entries) {
        if (entry.kind == EntryKind::event) {
            const auto detection = detection_in(entry);
            out.push_back(detection.threat_name().empty() ? detection.virus_name() : detection.threat_name());
        } else {
            out.push_back(entry.kind == EntryKind::block ? "block" : "rejected");
        }
    }
    return out;
}

inline std::vector<std::string> signatures(int first, int last) {
    std::vector<std::string> out;
    for (int i = first; i <= last; ++i) {
        out.push_back("Signature " + std::to_string(i));
    }
    return out;
}

}  // namespace mimamori::agent::sources
