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
        {"state_dir", "hang_limit_ms = 1\nstate_dir",
         "agent.toml:1: hang_limit_ms must be a whole number from 5000 to 3600000"},
        {"addresses", "adresses", "agent.toml:3: gateway.adresses is not a key of the agent"},
        {"addresses", "adresses", "agent.toml: gateway.addresses is missing"},
        {":8443", "", "is not of the form"},
        {"\"gateway.example.jp:8443\"", "", "must be a list of one text or more"},
        {"key_file", "batch_entries = 0\nkey_file",
         "agent.toml:6: gateway.batch_entries must be a whole number from 1 to 1000"},
        {"key_file", "batch_entries = \"many\"\nkey_file", "gateway.batch_entries must be a whole number"},
        {"\"native\"", "\"syslog\"",
         "\"syslog\" is not known: \"native\", \"suricata-eve\", \"sonicwall\" or \"fortigate\""},
        {"/var/log/utm.ndjson", "utm.ndjson", "source.path must begin with a slash"},
        {"[[source]]", "[[sources]]", "at least one [[source]] is needed"},
        {"[gateway]", "[gateway", "agent.toml:2: "},
        {"[[source]]", "[spool]\nmax_mib = 1\n[[source]]", "spool.max_mib must be a whole number from 4"},
        {"[[source]]", "[[source]]\nid = \"utm\"\ntype = \"native\"\npath = \"/a\"\n[[source]]",
         "another source has the same id, path or listen"},
    }));
    REQUIRE_THAT(refusal_of(replaced(row.from, row.to)), Contains(row.says));
}

TEST_CASE("a firewall's syslog, listened to or read from a file") {
    const auto config = parse_config(replaced("path = \"/var/log/utm.ndjson\"", R"(path = "/var/log/utm.ndjson"
time_zone_offset = "-05:30"
[[source]]
id = "sonicwall"
type = "sonicwall"
listen = "udp://192.0.2.1:5514"
allow = ["192.0.2.9", "198.51.100.0/24"]
receive_buffer_kib = 128
max_line_kib = 8
max_connections = 3
idle_limit_ms = 5000
[[source]]
id = "fortigate"
type = "fortigate"
listen = "tcp://[2001:DB8::1]:6514"
[[source]]
id = "file"
type = "fortigate"
path = "/var/log/fortigate.log")"),
                                     "agent.toml");
    INFO((config ? std::string{} : config.error().what));
    REQUIRE(config);
    REQUIRE(config->sources.size() == 4);
    REQUIRE(config->sources[0].assumed_utc_offset == -std::chrono::minutes{330});
    REQUIRE_FALSE(config->sources[0].listen);
    const auto& udp = config->sources[1].listen.value();
    REQUIRE_FALSE(udp.tcp);
    REQUIRE(udp.ip == "192.0.2.1");
    REQUIRE(udp.port == 5514);
    REQUIRE(udp.allow.size() == 2);
    REQUIRE(udp.receive_buffer_bytes == 128U << 10U);
    REQUIRE(udp.max_connections == 3);
    REQUIRE(udp.idle_limit == std::chrono::seconds{5});
    REQUIRE(config->sources[1].max_line_bytes == 8U << 10U);
    const auto& tcp = config->sources[2].listen.value();
    REQUIRE(tcp.tcp);
    REQUIRE(tcp.ip == "2001:db8::1");
    REQUIRE(tcp.allow.empty());
    REQUIRE(config->sources[2].max_line_bytes == 64U << 10U);
    REQUIRE(config->sources[3].path == "/var/log/fortigate.log");
    REQUIRE(config->sources[3].max_line_bytes == 1U << 20U);
}

TEST_CASE("what is wrong with a listening source is refused with its place") {
    const auto refusal = [](const std::string& lines) {
        return refusal_of(good + "[[source]]\nid = \"firewall\"\n" + lines);
    };
    const std::string type = "type = \"sonicwall\"\n";
    for (const auto* address :
         {"127.0.0.1:5514", "udp://127.0.0.1", "udp://localhost:5514", "udp://127.0.0.1:0", "udp://:5514",
          "udp://127.0.0.1:70000", "udp://::1:5514", "http://127.0.0.1:5514", "tcp://[::1:5514"}) {
        INFO(address);
        REQUIRE_THAT(refusal(type + "listen = \"" + address + "\"\n"),
                     Contains("is not of the form \"udp://127.0.0.1:5514\""));
    }
    const std::string listen = "listen = \"udp://127.0.0.1:5514\"\n";
    REQUIRE_THAT(refusal("type = \"native\"\n" + listen),
                 Contains("source.listen is for \"sonicwall\" and \"fortigate\""));
    REQUIRE_THAT(refusal(type + listen + "path = \"/a\"\n"), Contains("source.listen and path exclude each other"));
    REQUIRE_THAT(refusal(type), Contains("source.path is missing"));
    REQUIRE_THAT(refusal(type + listen + "allow = [\"192.0.2.0/99\"]\n"), Contains("192.0.2.0/99"));
    REQUIRE_THAT(refusal(type + listen + "allow = []\n"), Contains("source.allow must be a list of one text or more"));
    REQUIRE_THAT(refusal(type + listen + "max_connections = 65\n"), Contains("source.max_connections must be"));
    REQUIRE_THAT(refusal(type + "path = \"/a\"\nallow = [\"192.0.2.1\"]\n"), Contains("source.allow is not a key"));
    REQUIRE_THAT(refusal(type + listen + "[[source]]\nid = \"other\"\n" + type + listen),
                 Contains("the same id, path or listen"));
    for (const auto* offset : {"9", "+9:00", "+0900", "+15:00", "+09:60", "JST"}) {
        REQUIRE_THAT(refusal(type + listen + "time_zone_offset = \"" + offset + "\"\n"),
                     Contains("is not of the form \"+09:00\""));
    }
}

TEST_CASE("all that is wrong is told at once") {
    const auto what = refusal_of("poll_ms = 0\nnonsense = 1\n");
    REQUIRE_THAT(what, Contains("poll_ms"));
    REQUIRE_THAT(what, Contains("nonsense"));
    REQUIRE_THAT(what, Contains("gateway is missing"));
    REQUIRE_THAT(what, Contains("state_dir is missing"));
}
