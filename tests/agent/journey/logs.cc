#include "agent/journey/logs.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "mimamori/detection/v1/detection.pb.h"

namespace mimamori::test {

using domain::delivery::EntryKind;

void append(const std::string& path, const std::string& text) {
    std::ofstream{path, std::ios::app | std::ios::binary} << text;
}

std::string content_of(const std::filesystem::path& path) {
    std::ifstream in{path};
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

std::string line_of(int number) {
    if (number % 11 == 0) {
        return fmt::format("not json {}\n", number);
    }
    if (number % 7 == 0) {
        return fmt::format(
                   R"({{"type":"detection","function":"av","action":"rewritten","observed_at":"2026-04-08T10:39:40+09:00","source_ip":"192.168.1.9","destination_ip":"203.0.113.5","origin":"file_sender","virus_name":"Virus {}"}})",
                   number) +
               "\n";
    }
    if (number % 5 == 0) {
        return fmt::format(
                   R"({{"type":"block","kind":"url","key":"host{}.example.com","observed_at":"2026-04-08T10:39:40+09:00","count":1}})",
                   number) +
               "\n";
    }
    return fmt::format(
               R"({{"type":"detection","function":"ips","action":"blocked","observed_at":"2026-04-08T10:39:40+09:00","threat_name":"Signature {}"}})",
               number) +
           "\n";
}

int number_of(const pb::Entry& entry) {
    std::string text;
    switch (static_cast<EntryKind>(entry.kind())) {
        case EntryKind::event: {
            detection::v1::Detection detection;
            REQUIRE(detection.ParseFromString(entry.payload()));
            REQUIRE(detection.spooled_at_us() != 0);
            text = detection.virus_name() + detection.threat_name();
            break;
        }
        case EntryKind::block: {
            detection::v1::Block block;
            REQUIRE(block.ParseFromString(entry.payload()));
            text = block.key();
            break;
        }
        case EntryKind::rejected: {
            detection::v1::Rejected rejected;
            REQUIRE(rejected.ParseFromString(entry.payload()));
            text = rejected.raw();
            break;
        }
    }
    const auto digit = text.find_first_of("0123456789");
    REQUIRE(digit != std::string::npos);
    return std::stoi(text.substr(digit));
}

std::multiset<int> stored_numbers(const FakeGateway& gateway) {
    std::multiset<int> out;
    for (const auto& [id, stream] : gateway.streams()) {
        for (const auto& [seq, entry] : stream.entries) {
            out.insert(number_of(entry));
        }
    }
    return out;
}

std::size_t stored(const FakeGateway& gateway) {
    return gateway.stored_entries();
}

std::multiset<int> each_once(int first, int last) {
    std::multiset<int> out;
    for (int i = first; i <= last; ++i) {
        out.insert(i);
    }
    return out;
}

bool comes_true(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + hang_guard;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    return true;
}

bool comes_to_say(const std::string& path, const std::string& text) {
    return comes_true([&] { return content_of(path).find(text) != std::string::npos; });
}

}  // namespace mimamori::test
