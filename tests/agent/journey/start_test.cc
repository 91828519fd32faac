// How the real executable starts, what it refuses to start with, and how it ends.
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <string>

#include "agent/journey/agent_process.h"
#include "agent/journey/logs.h"

using namespace mimamori;
using Catch::Matchers::Contains;
using test::append;
using test::comes_to_say;
using test::content_of;
using test::line_of;
using test::stored;

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

TEST_CASE("an agent that has come to a standstill ends by itself, and goes on where it was when it is started anew") {
    test::TestAuthority authority;
    test::TemporaryFolder folder;
    test::FakeGateway gateway{authority, folder};
    test::AgentProcess agent{authority, {gateway.address()}, "hang_limit_ms = 5000"};
    append(agent.log_file(), line_of(1));
    agent.start();
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 1; }));
    agent.stand_still();
    REQUIRE(agent.comes_to_wait_for(SIGALRM));
    agent.go_on();
    REQUIRE(agent.wait_for_end() == 1);
    REQUIRE_THAT(content_of(agent.path("err")), Contains("\"event\":\"hung\""));
    append(agent.log_file(), line_of(2));
    agent.start();
    REQUIRE(gateway.wait([](const auto& g) { return stored(g) == 2; }));
    REQUIRE(agent.stop() == 0);
}
