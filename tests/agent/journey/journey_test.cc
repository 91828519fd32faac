// From a line in a log to a row of the service, with the real executable killed on the way.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "agent/journey/agent_process.h"
#include "agent/journey/logs.h"
#include "mimamori/detection/v1/detection.pb.h"

using namespace mimamori;
using Catch::Matchers::Contains;
using domain::delivery::EntryKind;
using domain::delivery::Lane;
using test::append;
using test::comes_to_say;
using test::content_of;
using test::each_once;
using test::line_of;
using test::number_of;
using test::stored;
using test::stored_numbers;

TEST_CASE("lines become rows of their lanes, the spool is freed, and the agent stops when asked") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    gateway.lan_ranges = {"192.168.1.0/24", "2001:db8:1::/48"};
    test::AgentProcess agent{authority, {gateway.address()}, "appliance_model = \"TZ-1\"\nfirmware_version = \"7.1\""};
    std::string text;
    for (int i = 1; i <= 300; ++i) {
        text += line_of(i);
    }
    append(agent.log_file(), text);
    agent.start();
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 300; }));
    REQUIRE(stored_numbers(gateway) == each_once(1, 300));
    const auto urgent = gateway.stream(Lane::urgent).value();
    REQUIRE_FALSE(urgent.entries.empty());
    REQUIRE_FALSE(gateway.stream(Lane::rollup)->entries.empty());
    for (const auto& [seq, entry] : urgent.entries) {
        REQUIRE(number_of(entry) % 7 == 0);
    }
    REQUIRE(gateway.all_hellos().front().appliance_model() == "TZ-1");
    append(agent.log_file(), line_of(301));
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 301; }));
    REQUIRE(agent.stop() == 0);
    const auto status = content_of(agent.path("state/status.json"));
    REQUIRE_THAT(status, Contains("\"version\": \"0.1.0\""));
    REQUIRE_THAT(status, Contains("\"not_settled\": 0"));
    REQUIRE_THAT(status, Contains("\"rejected\": 27"));
    REQUIRE_THAT(content_of(agent.path("err")), Contains("everything is settled"));
    REQUIRE(content_of(agent.path("state/lan_ranges")) == "192.168.1.0/24\n2001:db8:1::/48\n");
    REQUIRE(gateway.refusals().empty());
}

TEST_CASE("the site's LAN decides what is urgent, as the gateway told it, after a restart too") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    gateway.lan_ranges = {"198.51.100.0/24"};
    test::AgentProcess agent{authority, {gateway.address()}};
    const auto virus_from = [](const std::string& sender, int number) {
        return fmt::format(
                   R"({{"type":"detection","function":"av","action":"rewritten","observed_at":"2026-04-08T10:39:40+09:00","source_ip":"{}","destination_ip":"203.0.113.5","origin":"file_sender","virus_name":"Virus {}"}})",
                   sender, number) +
               "\n";
    };
    agent.start();
    REQUIRE(gateway.wait([](const auto& g) { return !g.heartbeats().empty(); }));  // HelloAck was taken
    append(agent.log_file(), virus_from("198.51.100.7", 1) + virus_from("192.168.1.9", 2));
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 2; }));
    REQUIRE(agent.stop() == 0);
    append(agent.log_file(), virus_from("198.51.100.8", 3));
    agent.start();  // read before any gateway has answered
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 3; }));
    std::set<int> urgent;
    for (const auto& [id, stream] : gateway.streams()) {
        for (const auto& [seq, entry] : stream.entries) {
            if (stream.lane == Lane::urgent) {
                urgent.insert(number_of(entry));
            }
        }
    }
    REQUIRE(urgent == std::set<int>{1, 3});
}

TEST_CASE("the agent's clock can be steered, and entries carry it and its offset from the gateway's") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    const std::int64_t year_us = 365LL * 24 * 3600 * 1'000'000;
    const auto clock_file = folder.write("clock", std::string(reinterpret_cast<const char*>(&year_us), sizeof year_us));
    test::AgentProcess agent{authority, {gateway.address()}};
    ::setenv("MIMAMORI_CLOCK_FILE", clock_file.c_str(), 1);
    agent.start();
    ::unsetenv("MIMAMORI_CLOCK_FILE");
    REQUIRE(gateway.wait([](const auto& g) { return g.heartbeats().size() >= 2; }));  // the first one was answered
    append(agent.log_file(), line_of(1));
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 1; }));
    const auto stream = gateway.stream(Lane::normal).value();
    detection::v1::Detection detection;
    REQUIRE(detection.ParseFromString(stream.entries.at(1).payload()));
    const auto real_us =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    REQUIRE(std::abs(detection.spooled_at_us() - real_us - year_us) < 60'000'000);
    REQUIRE(std::abs(detection.clock_offset_us() + year_us) < 60'000'000);
    REQUIRE(std::abs(gateway.all_hellos().front().agent_clock_us() - real_us - year_us) < 60'000'000);
}

TEST_CASE("killed again and again while lines come, logs rotate and connections break: every line is a row, once") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    test::AgentProcess agent{authority, {gateway.address()}};
    int written = 0;
    std::size_t waited_for = 0;
    for (int round = 0; round < 15; ++round) {
        agent.start();
        for (int burst = 0; burst < 6; ++burst) {
            std::string text;
            for (auto left = 1 + random() % 120; left > 0; --left) {
                text += line_of(++written);
            }
            append(agent.log_file(), text);
            if (random() % 3 == 0) {
                gateway.lose_batches(1);
            }
            if (random() % 4 == 0) {
                gateway.cut();
            }
            // Some way into what was written: neither before nor after all of it.
            waited_for = std::max(waited_for, stored(gateway)) + random() % 40;
            waited_for = std::min(waited_for, static_cast<std::size_t>(written));
            INFO("stored " << stored(gateway) << " of " << written << ", waiting for " << waited_for);
            REQUIRE(gateway.wait([&](const auto& g) { return stored(g) >= waited_for; }));
        }
        agent.kill();
        if (round % 5 == 4) {
            std::filesystem::rename(agent.log_file(), agent.log_file() + fmt::format(".{}", 9 - round / 5));
        }
    }
    const auto hellos = gateway.hellos();
    agent.start();
    INFO("stored " << stored(gateway) << " of " << written);
    REQUIRE(gateway.wait([&](const auto& g) { return g.hellos() > hellos; }));  // it is there and can be asked to stop
    REQUIRE(gateway.wait([&](const auto& g) { return stored(g) >= static_cast<std::size_t>(written); }));
    REQUIRE(agent.stop() == 0);
    REQUIRE(stored_numbers(gateway) == each_once(1, written));
    REQUIRE(gateway.refusals().empty());
}

TEST_CASE("without a gateway lines are spooled all the same, and go out when it is there") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    auto gateway = std::make_unique<test::FakeGateway>(authority, folder);
    const int port = gateway->port();
    gateway.reset();
    test::AgentProcess agent{authority, {fmt::format("127.0.0.1:{}", port)}};
    std::string text;
    for (int i = 1; i <= 100; ++i) {
        text += line_of(i);
    }
    append(agent.log_file(), text);
    agent.start();
    REQUIRE(comes_to_say(agent.path("state/status.json"), "\"lines\": 100,"));
    REQUIRE(agent.stop() == 0);
    std::filesystem::remove(agent.log_file());
    agent.start();
    gateway = std::make_unique<test::FakeGateway>(authority, folder, port);
    REQUIRE(gateway->wait([](const auto& g) { return stored(g) == 100; }));
    REQUIRE(stored_numbers(*gateway) == each_once(1, 100));
}

TEST_CASE("the agent stays small however much waits to be sent") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    auto gateway = std::make_unique<test::FakeGateway>(authority, folder);
    const int port = gateway->port();
    gateway.reset();
    test::AgentProcess agent{authority, {fmt::format("127.0.0.1:{}", port)}};
    constexpr std::size_t lines = 10'000;
    std::string text;
    for (std::size_t i = 1; i <= lines; ++i) {
        text += line_of(static_cast<int>(i));
    }
    append(agent.log_file(), text);
    agent.start();
    REQUIRE(comes_to_say(agent.path("state/status.json"), fmt::format("\"lines\": {},", lines)));
    gateway = std::make_unique<test::FakeGateway>(authority, folder, port);
    REQUIRE(gateway->wait([&](const auto& g) { return stored(g) >= lines / 2; }));
    const auto resident_kib = agent.resident_kib();
    REQUIRE(gateway->wait([&](const auto& g) { return stored(g) == lines; }));
#ifndef __SANITIZE_ADDRESS__
    INFO("resident " << resident_kib << " KiB in the middle, " << agent.resident_kib() << " at the end");
    REQUIRE(resident_kib < 32 * 1024);
    REQUIRE(agent.resident_kib() < 32 * 1024);
#else
    REQUIRE(resident_kib > 0);
#endif
    REQUIRE(agent.stop() == 0);
}
