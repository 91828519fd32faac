// Settings: what is refused, and that the message names file, line and key.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "appliance-agent/config.h"

using namespace mimamori::agent;
using Catch::Matchers::Contains;

namespace {

const std::string good = R"(state_dir = "/var/lib/mimamori-agent"
[gateway]
addresses = ["gateway.example.jp:8443"]
ca_file = "/etc/ca.pem"
certificate_file = "/etc/utm.pem"
key_file = "/etc/utm.key"
[[source]]
id = "utm"
type = "native"
path = "/var/log/utm.ndjson"
)";

std::string refusal_of(const std::string& text) {
    const auto config = parse_config(text, "agent.toml");
    REQUIRE_FALSE(config);
    return config.error().what;
}

std::string replaced(const std::string& from, const std::string& to) {
    auto text = good;
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("the least that is needed is enough") {
    const auto config = parse_config(good, "agent.toml");
    INFO((config ? std::string{} : config.error().what));
    REQUIRE(config);
    REQUIRE(config->spool.folder == "/var/lib/mimamori-agent/spool");
    REQUIRE(config->uplink.batch_entries == 200);
    REQUIRE(config->uplink.batch_delay == std::chrono::milliseconds{500});
    REQUIRE(config->sources.front().assumed_utc_offset == std::chrono::hours{9});
}

TEST_CASE("the packaged example is good") {
    std::ifstream in{MIMAMORI_AGENT_EXAMPLE};
    std::ostringstream text;
    text << in.rdbuf();
    REQUIRE_FALSE(text.str().empty());
    const auto config = parse_config(text.str(), "agent.toml");
    INFO((config ? std::string{} : config.error().what));
    REQUIRE(config);
}

TEST_CASE("what is wrong is refused with its place") {
    struct Row {
        std::string from, to, says;
    };
    const auto row = GENERATE(values<Row>({
        {"state_dir", "state_folder", "agent.toml:1: state_folder is not a key of the agent"},
        {"state_dir = \"/var", "state_dir = \"var", "state_dir must begin with a slash"},
        {"addresses", "adresses", "agent.toml:3: gateway.adresses is not a key of the agent"},
        {"addresses", "adresses", "agent.toml: gateway.addresses is missing"},
        {":8443", "", "is not of the form"},
        {"\"gateway.example.jp:8443\"", "", "must be a list of one text or more"},
        {"key_file", "batch_entries = 0\nkey_file",
         "agent.toml:6: gateway.batch_entries must be a whole number from 1 to 1000"},
        {"key_file", "batch_entries = \"many\"\nkey_file", "gateway.batch_entries must be a whole number"},
        {"\"native\"", "\"syslog\"", "\"syslog\" is not known: \"native\" or \"suricata-eve\""},
        {"/var/log/utm.ndjson", "utm.ndjson", "source.path must begin with a slash"},
        {"[[source]]", "[[sources]]", "at least one [[source]] is needed"},
        {"[gateway]", "[gateway", "agent.toml:2: "},
        {"[[source]]", "[spool]\nmax_mib = 1\n[[source]]", "spool.max_mib must be a whole number from 4"},
        {"[[source]]", "[[source]]\nid = \"utm\"\ntype = \"native\"\npath = \"/a\"\n[[source]]",
         "another source has the same id or path"},
    }));
    REQUIRE_THAT(refusal_of(replaced(row.from, row.to)), Contains(row.says));
}

TEST_CASE("all that is wrong is told at once") {
    const auto what = refusal_of("poll_ms = 0\nnonsense = 1\n");
    REQUIRE_THAT(what, Contains("poll_ms"));
    REQUIRE_THAT(what, Contains("nonsense"));
    REQUIRE_THAT(what, Contains("gateway is missing"));
    REQUIRE_THAT(what, Contains("state_dir is missing"));
}
