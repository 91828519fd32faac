// From a line in a log to a row of the service, with the real executable killed on the way.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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
#include "agent/support/fake_gateway.h"
#include "mimamori/detection/v1/detection.pb.h"

using namespace mimamori;
using Catch::Matchers::Contains;
using domain::delivery::EntryKind;
using domain::delivery::Lane;

namespace {

void append(const std::string& path, const std::string& text) {
    std::ofstream{path, std::ios::app | std::ios::binary} << text;
}

std::string content_of(const std::filesystem::path& path) {
    std::ifstream in{path};
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

// Every seventh is a virus going out (urgent), every fifth a block, every eleventh cannot be read; the rest intrusions.
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

// The number that a stored entry was made from.
int number_of(const test::pb::Entry& entry) {
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

std::multiset<int> stored_numbers(const test::FakeGateway& gateway) {
    std::multiset<int> out;
    for (const auto& [id, stream] : gateway.streams()) {
        for (const auto& [seq, entry] : stream.entries) {
            out.insert(number_of(entry));
        }
    }
    return out;
}

std::size_t stored(const test::FakeGateway& gateway) {
    return gateway.stored_entries();
}

std::multiset<int> each_once(int first, int last) {
    std::multiset<int> out;
    for (int i = first; i <= last; ++i) {
        out.insert(i);
    }
    return out;
}

// Waits until the file holds the text: the agent is another process, and a file tells nobody that it was written.
bool comes_to_say(const std::string& path, const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + test::hang_guard;
    while (content_of(path).find(text) == std::string::npos) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    return true;
}

}  // namespace

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

// A socket bound to a free port of the loopback address; its port is free again when it is closed.
class Port {
  public:
    explicit Port(int type) : socket_{::socket(AF_INET, type, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        number = ntohs(address.sin_port);
    }
    ~Port() { ::close(socket_); }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    int number = 0;

  private:
    int socket_;
};

int connect_to(int type, int port) {
    const int out = ::socket(AF_INET, type, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    REQUIRE(::connect(out, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return out;
}

TEST_CASE("syslog over UDP and TCP becomes rows: firewalls' lines beside the files' ones") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    const auto udp = std::make_unique<Port>(SOCK_DGRAM)->number;
    const auto tcp = std::make_unique<Port>(SOCK_STREAM)->number;
    test::AgentProcess agent{authority,
                             {gateway.address()},
                             {},
                             fmt::format(R"([[source]]
id = "sonicwall"
type = "sonicwall"
listen = "udp://127.0.0.1:{}"
allow = ["127.0.0.0/8"]
[[source]]
id = "fortigate"
type = "fortigate"
listen = "tcp://127.0.0.1:{}"
)",
                                         udp, tcp)};
    append(agent.log_file(), line_of(1));
    agent.start();
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 1; }));  // it has opened its sources
    const auto sonicwall = [](int number) {
        return fmt::format(
            R"(<129>id=firewall time="2026-04-08 10:39:40" m=609 msg="IPS Prevention Alert: Signature {}" src=198.51.100.9:1:X1 dst=192.168.1.5:80:X0)",
            number);
    };
    const auto fortigate = [](int number) {
        return fmt::format(
            R"(<185>date=2026-04-08 time=10:39:40 type="utm" subtype="virus" action="blocked" virus="Virus {}" direction="outgoing" srcip=192.168.1.9 dstip=203.0.113.5)",
            number);
    };
    const int datagrams = connect_to(SOCK_DGRAM, udp);
    const int stream = connect_to(SOCK_STREAM, tcp);
    std::string counted;
    for (int i = 2; i <= 51; ++i) {
        const auto line = sonicwall(i);
        REQUIRE(::send(datagrams, line.data(), line.size(), 0) == static_cast<ssize_t>(line.size()));
        counted += fmt::format("{} {}", fortigate(i + 50).size(), fortigate(i + 50));
    }
    REQUIRE(::send(stream, counted.data(), counted.size(), 0) == static_cast<ssize_t>(counted.size()));
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 101; }));
    REQUIRE(stored_numbers(gateway) == each_once(1, 101));
    REQUIRE(gateway.stream(Lane::urgent)->entries.size() == 50);  // viruses going out
    append(agent.log_file(), line_of(102));  // checkpoints of files move on beside sources that have none
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 102; }));
    const auto last = sonicwall(103);
    REQUIRE(::send(datagrams, last.data(), last.size(), 0) == static_cast<ssize_t>(last.size()));
    REQUIRE(agent.stop() == 0);  // what has arrived is read first
    REQUIRE(stored_numbers(gateway) == each_once(1, 103));
    const auto status = content_of(agent.path("state/status.json"));
    REQUIRE_THAT(status, Contains("\"id\": \"sonicwall\", \"lines\": 51, \"events\": 51"));
    REQUIRE_THAT(status, Contains("\"datagrams_lost\": 0"));
    REQUIRE_THAT(status, Contains("\"not_settled\": 0"));
    agent.start();  // and nothing of it is sent again
    append(agent.log_file(), line_of(104));
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 104; }));
    REQUIRE(agent.stop() == 0);
    REQUIRE(stored_numbers(gateway) == each_once(1, 104));
    ::close(datagrams);
    ::close(stream);
}

TEST_CASE("--check-config says who listens where, and what cannot") {
    test::TestAuthority authority;
    const Port taken{SOCK_DGRAM};
    const auto free = std::make_unique<Port>(SOCK_STREAM)->number;
    test::AgentProcess agent{authority,
                             {"gateway.example.jp:8443"},
                             {},
                             fmt::format(R"([[source]]
id = "a"
type = "sonicwall"
listen = "udp://127.0.0.1:{}"
[[source]]
id = "b"
type = "fortigate"
listen = "tcp://127.0.0.1:{}"
allow = ["192.0.2.1"]
[[source]]
id = "c"
type = "fortigate"
listen = "udp://192.0.2.1:5514"
)",
                                         taken.number, free)};
    append(agent.log_file(), line_of(1));
    const auto checked = test::AgentProcess::run({"--config", agent.config_file(), "--check-config"});
    REQUIRE(checked.status == 2);
    REQUIRE_THAT(checked.out,
                 Contains(fmt::format("source a: listens on udp://127.0.0.1:{} for SonicWall syslog, from anyone",
                                      taken.number)));
    REQUIRE_THAT(checked.out, Contains("source a: in use by another program"));
    REQUIRE_THAT(checked.out, Contains("for FortiGate syslog, from allowed addresses only"));
    REQUIRE_THAT(checked.err, Contains("source c: cannot listen on udp://192.0.2.1:5514"));
    REQUIRE_THAT(checked.err, !Contains("source a") && !Contains("source b"));
}

TEST_CASE("a second agent on one spool ends and says why; the first goes on") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    test::AgentProcess agent{authority, {gateway.address()}};
    append(agent.log_file(), line_of(1));
    agent.start();
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 1; }));
    const auto second = test::AgentProcess::run({"--config", agent.config_file()});
    REQUIRE(second.status == 1);
    REQUIRE_THAT(second.err, Contains("another agent uses this spool"));
    append(agent.log_file(), line_of(2));
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 2; }));
    REQUIRE(agent.stop() == 0);
}

TEST_CASE("a spool is not sent under another appliance's certificate") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    test::AgentProcess agent{authority, {gateway.address()}};
    append(agent.log_file(), line_of(1));
    agent.start();
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 1; }));
    REQUIRE(agent.stop() == 0);
    const auto other = authority.issue_appliance("UTM-0002");
    (void)agent.folder().write("utm.pem", other.certificate);
    (void)agent.folder().write("utm.key", other.private_key);
    const auto checked = test::AgentProcess::run({"--config", agent.config_file(), "--check-config"});
    REQUIRE(checked.status == 2);
    REQUIRE_THAT(checked.err, Contains("belongs to UTM-0001, the certificate to UTM-0002"));
    const auto hellos = gateway.hellos();
    agent.start();
    REQUIRE(comes_to_say(agent.path("err"), "is not sent under another"));
    REQUIRE(agent.stop() == 0);
    REQUIRE(gateway.hellos() == hellos);
}

TEST_CASE("--check-config says what the agent would do, and each thing that would not work") {
    test::TestAuthority authority;
    test::AgentProcess agent{authority, {"gateway.example.jp:8443"}};
    append(agent.log_file(), line_of(1));
    const auto good = test::AgentProcess::run({"--config", agent.config_file(), "--check-config"});
    REQUIRE(good.status == 0);
    REQUIRE_THAT(good.out, Contains("UTM-0001"));
    REQUIRE_THAT(good.out, Contains("gateway: gateway.example.jp:8443"));
    REQUIRE_THAT(good.out, Contains("native lines"));
    REQUIRE_THAT(good.out, Contains("is not there yet and will be waited for"));
    REQUIRE_FALSE(std::filesystem::exists(agent.path("state")));
    std::filesystem::remove(agent.path("utm.key"));
    std::filesystem::remove(agent.log_file());
    std::filesystem::create_directory(agent.log_file());
    const auto bad = test::AgentProcess::run({"--config", agent.config_file(), "--check-config"});
    REQUIRE(bad.status == 2);
    REQUIRE_THAT(bad.err, Contains("utm.key"));
    REQUIRE_THAT(bad.err, Contains("is no regular file"));
}

TEST_CASE("--version and wrong arguments") {
    REQUIRE(test::AgentProcess::run({"--version"}).out == "mimamori-agent 0.1.0\n");
    REQUIRE(test::AgentProcess::run({}).status == 2);
    REQUIRE(test::AgentProcess::run({"--frobnicate"}).status == 2);
    const auto missing = test::AgentProcess::run({"--config", "/nonexistent/agent.toml"});
    REQUIRE(missing.status == 2);
    REQUIRE_THAT(missing.err, Contains("/nonexistent/agent.toml"));
}
