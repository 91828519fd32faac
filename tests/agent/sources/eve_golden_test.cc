// Real Suricata output: what becomes of every line of it.
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "appliance-agent/sources/json.h"
#include "support.h"

namespace mimamori::agent::sources {
namespace {

namespace pb = detection::v1;

const std::string loopback = MIMAMORI_TEST_DATA "/eve/suricata-7.0.10-loopback.ndjson";

// As `jq .` and older tools write it.
void pretty(const boost::json::value& value, std::size_t indent, std::string& out) {
    const std::string margin(indent + 4, ' ');
    if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
        const char* before = "{\n";
        for (const auto& member : *object) {
            out += before + margin + boost::json::serialize(member.key()) + ": ";
            pretty(member.value(), indent + 4, out);
            before = ",\n";
        }
        out += "\n" + std::string(indent, ' ') + "}";
    } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
        const char* before = "[\n";
        for (const auto& element : *array) {
            out += before + margin;
            pretty(element, indent + 4, out);
            before = ",\n";
        }
        out += "\n" + std::string(indent, ' ') + "]";
    } else {
        out += boost::json::serialize(value);
    }
}

std::string as_pretty_array(const std::string& ndjson) {
    std::string out = "[";
    std::istringstream lines(ndjson);
    for (std::string line; std::getline(lines, line);) {
        JsonLine json;
        const auto object = json.parse(line);
        REQUIRE(object);
        out += out.size() > 1 ? ",\n    " : "\n    ";
        pretty(boost::json::value(**object), 4, out);
    }
    return out + "\n]\n";
}

std::vector<pb::Detection> detections_of(const std::string& path, SourceStats* stats = nullptr) {
    auto source = follow_file(LineFormat::suricata_eve, options_for(path), {}, {});
    std::vector<pb::Detection> out;
    for (const auto& entry : drain(*source)) {
        if (entry.kind == EntryKind::rejected) {
            FAIL_CHECK(rejected_in(entry).reason() << ": " << rejected_in(entry).raw());
            continue;
        }
        out.push_back(detection_in(entry));
    }
    if (stats != nullptr) {
        *stats = source->stats();
    }
    return out;
}

TEST_CASE("nine events of a real Suricata give two detections") {
    SourceStats stats;
    const auto found = detections_of(loopback, &stats);
    REQUIRE(found.size() == 2);
    CHECK(stats.lines == 9);
    CHECK(stats.skipped == 7);
    CHECK(stats.events == 2);

    const auto& weak = found[0];
    CHECK(weak.function() == pb::FUNCTION_IPS);
    CHECK(weak.action() == pb::ACTION_LOGGED);
    CHECK(weak.origin() == pb::ORIGIN_INITIATOR);
    CHECK(weak.observed_at_us() == 1'795'224'911'309'368);
    CHECK(weak.source_ip() == "127.0.0.1");
    CHECK(weak.source_port() == 54844);
    CHECK(weak.destination_ip() == "127.0.0.1");
    CHECK(weak.destination_port() == 18080);
    CHECK(weak.lan_mac().empty());
    CHECK(weak.protocol() == "TCP");
    CHECK(weak.app_protocol() == "http");
    CHECK(weak.threat_name() == "TEST HTTP Basic Auth Default Password Login attempt");
    CHECK(weak.threat_id() == "1:9000001:1");
    CHECK(weak.virus_name().empty());
    CHECK(weak.file_name().empty());
    CHECK(weak.destination_host() == "127.0.0.1");
    CHECK(weak.url() == "http://127.0.0.1:18080/evil?x=1");
    CHECK(weak.category() == "Web Application Attack");
    CHECK(weak.application().empty());
    CHECK(weak.vendor_priority() == 1);
    CHECK(weak.source_format() == "suricata-eve");
    CHECK(weak.source_id() == "utm-log");

    const auto& virus = found[1];
    CHECK(virus.function() == pb::FUNCTION_AV);
    CHECK(virus.action() == pb::ACTION_LOGGED);
    CHECK(virus.origin() == pb::ORIGIN_FILE_SENDER);
    CHECK(virus.observed_at_us() == 1'795'224'911'310'338);
    CHECK(virus.source_port() == 18080);
    CHECK(virus.destination_port() == 54854);
    CHECK(virus.virus_name() == "TEST HTTP EICAR download");
    CHECK(virus.virus_id() == "1:9000003:1");
    CHECK(virus.threat_name().empty());
    CHECK(virus.file_name() == "/files/eicar.com");
    CHECK(virus.file_sha256() == "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f");
    CHECK(virus.url() == "http://127.0.0.1:18080/files/eicar.com");
    CHECK(virus.category() == "A Network Trojan was detected");
}

TEST_CASE("the same events as one pretty-printed array give the same detections") {
    TemporaryFolder folder;
    const auto path = folder.file("eve.json");
    append(path, as_pretty_array(content_of(loopback)));
    auto plain = detections_of(loopback);
    auto array = detections_of(path);
    REQUIRE(array.size() == plain.size());
    for (std::size_t i = 0; i < plain.size(); ++i) {
        CHECK(array[i].raw().find('\n') != std::string::npos);
        plain[i].clear_raw();
        array[i].clear_raw();
        CHECK(array[i].SerializeAsString() == plain[i].SerializeAsString());
    }
}

TEST_CASE("every line of the sample folder is read without a reject") {
    const char* samples = std::getenv("MIMAMORI_SAMPLES");
    if (samples == nullptr) {
        std::puts("skipped: MIMAMORI_SAMPLES not set");
        return;
    }
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(samples) / "eve")) {
        const auto path = file.path().string();
        INFO(path);
        std::size_t alerts = 0;
        std::istringstream lines(content_of(path));
        for (std::string line; std::getline(lines, line);) {
            alerts += line.find(R"("event_type":"alert")") != std::string::npos ? 1U : 0U;
        }
        auto plain = detections_of(path);
        CHECK(plain.size() == alerts);
        for (const auto& detection : plain) {
            INFO(detection.raw());
            CHECK(detection.function() != pb::FUNCTION_UNSPECIFIED);
            CHECK(detection.action() != pb::ACTION_UNSPECIFIED);
            CHECK(detection.observed_at_us() != 0);
            CHECK_FALSE(detection.source_ip().empty());
            CHECK_FALSE(detection.destination_ip().empty());
            CHECK_FALSE((detection.threat_name() + detection.virus_name()).empty());
        }
        TemporaryFolder folder;
        append(folder.file("eve.json"), as_pretty_array(content_of(path)));
        CHECK(detections_of(folder.file("eve.json")).size() == alerts);
        ++files;
    }
    CHECK(files > 0);
}

}  // namespace
}  // namespace mimamori::agent::sources
