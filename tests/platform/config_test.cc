// Settings: what goes before what, and that nothing misspelt passes.
#include <catch2/catch.hpp>

#include <chrono>

#include "platform/config.h"
#include "support/test_certificates.h"

using namespace mimamori;
using namespace std::chrono_literals;
using platform::Config;

namespace {

struct Given {
    std::string toml;
    std::vector<std::string> sets = {};
    std::vector<std::string> environment = {};
    std::string role = "gateway";
};

const test::TemporaryFolder& folder() {
    static const test::TemporaryFolder made;
    return made;
}

base::Expected<Config> load(const Given& given) {
    const auto file = folder().write("mimamori.toml", given.toml);
    return Config::load(given.role, file, given.sets, given.environment);
}

std::string error_of(const Given& given, std::string_view section) {
    const auto config = load(given);
    if (!config) {
        return config.error().what;
    }
    auto read = config->section(section);
    read.text("listen", "");
    read.count("max_streams", 5, 1, 100);
    read.duration_ms("tick_ms", 1000ms, 10ms, 60'000ms);
    read.flag("strict", false);
    const auto done = read.finish();
    return done ? "" : done.error().what;
}

}  // namespace

TEST_CASE("flags go before environment, environment before the file, the file before the default") {
    const std::string toml = "[kafka]\nbootstrap = \"file:1\"\nbatches_topic = \"file\"\nprogress_topic = \"file\"\n";
    const auto config = load({toml,
                              {"kafka.bootstrap=flag:1"},
                              {"MIMAMORI_KAFKA_BOOTSTRAP=env:1", "MIMAMORI_KAFKA_BATCHES_TOPIC=env", "OTHER=x"}});
    REQUIRE(config);
    const auto kafka = platform::read_kafka(*config);
    REQUIRE(kafka);
    CHECK(kafka->bootstrap == "flag:1");
    CHECK(kafka->batches_topic == "env");
    CHECK(kafka->progress_topic == "file");
    CHECK(kafka->presence_topic == "mimamori.presence");
}

TEST_CASE("what is misspelt or out of range is refused with its place") {
    struct Row {
        Given given;
        std::vector<std::string> told;  // all of these stand in the error; none: accepted
    };
    const std::vector<Row> rows{
        {{"[gateway]\nlisten = \"a:1\"\nmax_streams = 7\n"}, {}},
        {{"[gateway]\nlisten = \"a:1\"\nmax_stream = 7\n"}, {"mimamori.toml:3", "gateway.max_stream", "max_streams"}},
        {{"[gatway]\nlisten = \"a:1\"\n"}, {"mimamori.toml:1", "gatway"}},
        {{"listen = \"a:1\"\n"}, {"mimamori.toml:1", "listen"}},
        {{"[gateway]\nmax_streams = 101\n"}, {"mimamori.toml:2", "max_streams", "1 to 100"}},
        {{"[gateway]\nmax_streams = \"many\"\n"}, {"max_streams", "whole number"}},
        {{"[gateway]\nmax_streams = 1.5\n"}, {"max_streams", "whole number"}},
        {{"[gateway]\nmax_streams = [1, 2]\n"}, {"max_streams", "one value"}},
        {{"[gateway]\nstrict = \"yes\"\n"}, {"strict", "true or false"}},
        {{"[gateway]\ntick_ms = 5\n"}, {"tick_ms", "10 to 60000"}},
        {{"[gateway]\ntls = {key = \"x\"}\n"}, {"mimamori.toml:2", "gateway.tls"}},
        {{"[gateway]\nlisten = \n"}, {"mimamori.toml:2"}},
        {{"", {}, {"MIMAMORI_GATEWAY_LISTN=a:1"}}, {"environment MIMAMORI_GATEWAY_LISTN", "unknown key"}},
        {{"", {"gateway.listn=a:1"}}, {"--set gateway.listn", "unknown key"}},
        {{"", {"gatway.listen=a:1"}}, {"unknown section", "gatway"}},
        {{"", {"listen"}}, {"section.key=value"}},
        {{"", {}, {"MIMAMORI_STACK_DIR=/x", "MIMAMORI_TEST_SUPERUSER=x"}}, {}},
    };
    for (const auto& row : rows) {
        const auto error = error_of(row.given, "gateway");
        INFO(row.given.toml << error);
        CHECK(error.empty() == row.told.empty());
        for (const auto& part : row.told) {
            CHECK(error.find(part) != std::string::npos);
        }
    }
}

TEST_CASE("all that is wrong with a section is said at once") {
    const auto error = error_of({"[gateway]\nmax_streams = 0\nstrict = 1\nnonsense = 2\n"}, "gateway");
    for (const std::string part : {"max_streams", "strict", "nonsense"}) {
        CHECK(error.find(part) != std::string::npos);
    }
}

TEST_CASE("a missing required key says the three ways to set it") {
    const auto config = load({""});
    REQUIRE(config);
    auto section = config->section("gateway");
    CHECK(section.required_text("certificate_file").empty());
    const auto done = section.finish();
    REQUIRE_FALSE(done);
    for (const std::string part : {"[gateway]", "MIMAMORI_GATEWAY_CERTIFICATE_FILE", "--set gateway.certificate_file"}) {
        CHECK(done.error().what.find(part) != std::string::npos);
    }
}

TEST_CASE("lists come from arrays and from comma-separated flags") {
    for (const Given& given : {Given{"[gateway]\nhosts = [\"a\", \"b\"]\n"}, Given{"", {"gateway.hosts=a,b"}}}) {
        const auto config = load(given);
        REQUIRE(config);
        auto section = config->section("gateway");
        CHECK(section.list("hosts", {}) == std::vector<std::string>{"a", "b"});
        CHECK(section.finish());
    }
}

TEST_CASE("each role has its own database user, and its password file follows") {
    const std::string toml = "[postgres]\npassword_directory = \"/etc/mimamori/secrets\"\n";
    for (const std::string role : {"gateway", "notifier"}) {
        const auto config = load({toml, {}, {}, role});
        REQUIRE(config);
        const auto postgres = platform::read_postgres(*config);
        REQUIRE(postgres);
        CHECK(postgres->user == "mimamori_" + role);
        CHECK(postgres->password_file == "/etc/mimamori/secrets/mimamori_" + role + ".password");
    }
}

TEST_CASE("a role's own status address goes before the common one, and must be an address") {
    const auto config = load({"[observability]\nlisten = \"127.0.0.1:1\"\nfleet_listen = \"127.0.0.1:2\"\n", {}, {}, "fleet"});
    REQUIRE(config);
    CHECK(platform::read_observability(*config)->listen == "127.0.0.1:2");
    CHECK_FALSE(platform::read_observability(*load({"[observability]\nlisten = \"9100\"\n"})));
}

TEST_CASE("a missing file says how to name one") {
    const auto config = Config::load("gateway", (folder().path() / "none.toml").string(), {}, {});
    REQUIRE_FALSE(config);
    CHECK(config.error().what.find("--config") != std::string::npos);
}

TEST_CASE("addresses are host and port") {
    CHECK(platform::parse_host_port("[::1]:80")->host == "::1");
    CHECK(platform::parse_host_port("127.0.0.1:0")->port == 0);
    for (const std::string_view wrong : {"", "80", ":80", "a:", "a:b", "a:65536", "a:-1"}) {
        CHECK_FALSE(platform::parse_host_port(wrong));
    }
}
