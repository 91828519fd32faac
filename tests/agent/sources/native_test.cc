#include "appliance-agent/sources/native.h"

#include <boost/json/serialize.hpp>
#include <set>

#include "appliance-agent/sources/json.h"
#include "base/text.h"
#include "support.h"

namespace mimamori::agent::sources {
namespace {

constexpr std::chrono::minutes japan{540};

std::string parse_error(std::string_view line) {
    const auto entry = parse_native(line, japan);
    return entry ? "accepted" : entry.error();
}

detection::v1::Detection parse_detection(std::string_view line) {
    auto entry = parse_native(line, japan);
    INFO((entry ? std::string{} : entry.error()));
    REQUIRE(entry);
    REQUIRE(std::holds_alternative<detection::v1::Detection>(*entry));
    return std::get<detection::v1::Detection>(*entry);
}

// A line that is good with `more` members.
std::string line_with(const std::string& more) {
    return R"({"type":"detection","function":"ips","observed_at":"2026-04-08T10:39:40Z","action":"blocked",)"
           R"("threat_name":"x")" +
           (more.empty() ? "" : "," + more) + "}";
}

TEST_CASE("every field of a detection arrives in its place") {
    const auto d = parse_detection(
        R"({"type":"detection","function":"av","observed_at":"2026-04-08T10:39:40.125+09:00","action":"rewritten",
            "origin":"packet","source_ip":"198.51.100.25","source_port":25,"destination_ip":"2001:DB8:0::5",
            "destination_port":50111,"lan_mac":"00:00:5e:00:53:05","protocol":"TCP","app_protocol":"smtp",
            "threat_name":"tn","threat_id":"ti","virus_name":"vn","virus_id":"vi","file_name":"請求書.xls",
            "file_sha256":"275A021BBFB6489E54D471899F7DB9D1663FC695EC2FE2A2C4538AABF651FD0F",
            "mail_subject":"請求書の件","mail_date":"Wed, 8 Apr 2026 10:39:58 +0900","destination_host":"mail.example",
            "url":"http://mail.example\/a","category":"c","application":"a","vendor_priority":2})");
    CHECK(d.function() == detection::v1::FUNCTION_AV);
    CHECK(d.action() == detection::v1::ACTION_REWRITTEN);
    CHECK(d.origin() == detection::v1::ORIGIN_PACKET);
    CHECK(d.observed_at_us() == 1'775'612'380'125'000);
    CHECK(d.source_ip() == "198.51.100.25");
    CHECK(d.source_port() == 25);
    CHECK(d.destination_ip() == "2001:db8::5");
    CHECK(d.destination_port() == 50111);
    CHECK(d.lan_mac() == "00-00-5E-00-53-05");
    CHECK(d.protocol() == "TCP");
    CHECK(d.app_protocol() == "smtp");
    CHECK(d.threat_name() == "tn");
    CHECK(d.threat_id() == "ti");
    CHECK(d.virus_name() == "vn");
    CHECK(d.virus_id() == "vi");
    CHECK(d.file_name() == "請求書.xls");
    CHECK(d.file_sha256() == "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f");
    CHECK(d.mail_subject() == "請求書の件");
    CHECK(d.mail_date() == "Wed, 8 Apr 2026 10:39:58 +0900");
    CHECK(d.destination_host() == "mail.example");
    CHECK(d.url() == "http://mail.example/a");
    CHECK(d.category() == "c");
    CHECK(d.application() == "a");
    CHECK(d.vendor_priority() == 2);
}

TEST_CASE("functions and their default origin") {
    const auto with = [](const std::string& function, const std::string& name) {
        return parse_detection(R"({"type":"detection","function":")" + function +
                               R"(","observed_at":"2026-04-08T10:39:40","action":"logged",)" + name + "}");
    };
    CHECK(with("ips", R"("threat_name":"x")").function() == detection::v1::FUNCTION_IPS);
    CHECK(with("ips", R"("threat_name":"x")").origin() == detection::v1::ORIGIN_INITIATOR);
    CHECK(with("av", R"("virus_name":"x")").origin() == detection::v1::ORIGIN_FILE_SENDER);
    CHECK(with("wg", R"("url":"http://x.example/")").function() == detection::v1::FUNCTION_WG);
    CHECK(with("wg", R"("destination_host":"x.example")").origin() == detection::v1::ORIGIN_INITIATOR);
    CHECK(with("uf", R"("category":"x")").function() == detection::v1::FUNCTION_UF);
    CHECK(with("apg", R"("application":"x")").function() == detection::v1::FUNCTION_APG);
    CHECK(with("uf", R"("category":"x")").observed_at_us() == 1'775'612'380'000'000);  // no zone: Japan's
}

TEST_CASE("a block of each kind") {
    const auto url = parse_native(
        R"({"type":"block","kind":"url","key":"ads.example","observed_at":"2026-04-08T01:39:40Z","category":"ad","count":7})",
        japan);
    REQUIRE(url);
    const auto& block = std::get<detection::v1::Block>(*url);
    CHECK(block.kind() == "url");
    CHECK(block.key() == "ads.example");
    CHECK(block.category() == "ad");
    CHECK(block.count() == 7);
    CHECK(block.observed_at_us() == 1'775'612'380'000'000);
    const auto ip =
        parse_native(R"({"type":"block","kind":"ip","key":"2001:DB8::1","observed_at":"2026-04-08T01:39:40Z"})", japan);
    REQUIRE(ip);
    CHECK(std::get<detection::v1::Block>(*ip).key() == "2001:db8::1");
    CHECK(std::get<detection::v1::Block>(*ip).count() == 1);
}

TEST_CASE("unknown fields are passed over") {
    CHECK(parse_detection(line_with(R"("firmware":{"a":[1,2,{"b":null}]})")).threat_name() == "x");
}

TEST_CASE("what is wrong is said by name") {
    struct Row {
        std::string line;
        const char* error;
    };
    const Row rows[] = {
        {line_with(R"("source_port":"80")"), "source_port must be an integer from 0 to 65535"},
        {line_with(R"("source_port":65536)"), "source_port must be an integer from 0 to 65535"},
        {line_with(R"("source_port":-1)"), "source_port must be an integer from 0 to 65535"},
        {line_with(R"("destination_port":1.5)"), "destination_port must be an integer from 0 to 65535"},
        {line_with(R"("source_ip":"example.com")"), "source_ip must be an IP address; leave it out if unknown"},
        {line_with(R"("destination_ip":7)"), "destination_ip must be a string"},
        {line_with(R"("lan_mac":"00:00")"),
         "lan_mac must be the MAC address of a device, such as 00-00-5E-00-53-17; leave it out if unknown"},
        {line_with(R"("file_sha256":"abc")"), "file_sha256 must be 64 hex digits; leave it out if unknown"},
        {line_with(R"("url":null)"), "url must be a string"},
        {line_with(R"("origin":"client")"), "origin must be one of: initiator, packet, file_sender"},
        {line_with(R"("vendor_priority":101)"), "vendor_priority must be an integer from 0 to 100"},
        {R"({"type":"detection","observed_at":"2026-04-08T10:39:40Z","action":"blocked"})", "function is missing"},
        {R"({"type":"detection","function":"fw","observed_at":"2026-04-08T10:39:40Z","action":"blocked"})",
         "function must be one of: ips, av, wg, uf, apg"},
        {R"({"type":"detection","function":"ips","action":"blocked","threat_name":"x"})", "observed_at is missing"},
        {R"({"type":"detection","function":"ips","observed_at":"yesterday","action":"blocked","threat_name":"x"})",
         "observed_at must be a time such as 2026-04-08T10:39:40+09:00"},
        {R"({"type":"detection","function":"ips","observed_at":"2026-04-08T10:39:40Z","action":"blocked"})",
         "threat_name is missing: function ips needs it"},
        {R"({"type":"detection","function":"av","observed_at":"2026-04-08T10:39:40Z","action":"blocked"})",
         "virus_name is missing: function av needs it"},
        {R"({"type":"detection","function":"wg","observed_at":"2026-04-08T10:39:40Z","action":"blocked"})",
         "destination_host is missing: function wg needs it, or url, or threat_name"},
        {R"({"type":"detection","function":"uf","observed_at":"2026-04-08T10:39:40Z","action":"blocked"})",
         "category is missing: function uf needs it"},
        {R"({"type":"detection","function":"apg","observed_at":"2026-04-08T10:39:40Z","action":"blocked"})",
         "application is missing: function apg needs it"},
        {R"({"type":"block","kind":"mac","key":"x","observed_at":"2026-04-08T10:39:40Z"})",
         "kind must be one of: url, ip"},
        {R"({"type":"block","kind":"ip","key":"x","observed_at":"2026-04-08T10:39:40Z"})",
         "key must be an IP address; leave it out if unknown"},
        {R"({"type":"block","kind":"url","key":"","observed_at":"2026-04-08T10:39:40Z"})", "key is empty"},
        {R"({"type":"block","kind":"url","key":"x","observed_at":"2026-04-08T10:39:40Z","count":0})",
         "count must be an integer from 1 to 1000000000"},
        {R"({"type":"event"})", "type must be one of: detection, block"},
        {R"({})", "type must be one of: detection, block"},
    };
    for (const auto& row : rows) {
        INFO(row.line);
        CHECK(parse_error(row.line) == row.error);
    }
    CHECK(parse_error("[]") == "not a JSON object");
    CHECK(parse_error("{\"a\":}").starts_with("not JSON: "));
    CHECK(parse_error(std::string(100, '[')).starts_with("not JSON: "));
    CHECK(parse_error("{} x").starts_with("not JSON: "));
}

TEST_CASE("text is made valid and cut, at a character's edge") {
    std::string long_name;
    for (int i = 0; i < 400; ++i) {
        long_name += "漢";
    }
    const auto d =
        parse_detection(line_with("\"mail_subject\":\"a\xFF\\u0000b\",\"virus_name\":\"" + long_name + "\""));
    CHECK(d.mail_subject() ==
          "a\xEF\xBF\xBD\xEF\xBF\xBD"
          "b");
    CHECK(d.virus_name().size() == 510);
    CHECK(base::is_utf8(d.virus_name()));
}

// The schema, read as JSON.
class Schema {
  public:
    Schema() : text_(content_of(MIMAMORI_NATIVE_SCHEMA)) {
        const auto root = json_.parse(text_);
        INFO((root ? std::string{} : root.error()));
        REQUIRE(root);
        defs_ = object_at(**root, "$defs");
        REQUIRE(defs_ != nullptr);
    }
    const boost::json::object& of(std::string_view type) const { return *object_at(*defs_, type); }

  private:
    std::string text_;
    JsonLine json_;
    const boost::json::object* defs_ = nullptr;
};

std::string strings_of(const boost::json::object& property, std::string_view name) {
    std::string out;
    const auto* values = property.if_contains(name);
    for (const auto& value : values == nullptr ? boost::json::array{} : values->as_array()) {
        out += std::string(value.as_string()) + " ";
    }
    return out;
}

// What the schema must say of a field of this type.
void check_property(const boost::json::object& property, NativeType type) {
    const auto reference = text_at(property, "$ref");
    const auto of_type = text_at(property, "type");
    const auto least = number_at(property, "minimum");
    const auto most = number_at(property, "maximum");
    switch (type) {
        case NativeType::text:
        case NativeType::mac:
        case NativeType::sha256:
            CHECK(of_type == "string");
            break;
        case NativeType::address:
            CHECK(reference == "#/$defs/address");
            break;
        case NativeType::time:
            CHECK(reference == "#/$defs/time");
            break;
        case NativeType::port:
            CHECK(reference == "#/$defs/port");
            break;
        case NativeType::priority:
            CHECK(of_type == "integer");
            CHECK((least == 0U && most == 100U));
            break;
        case NativeType::count:
            CHECK(of_type == "integer");
            CHECK((least == 1U && most == 1'000'000'000U));
            break;
        case NativeType::function:
            CHECK(strings_of(property, "enum") == "ips av wg uf apg ");
            break;
        case NativeType::action:
            CHECK(strings_of(property, "enum") == "blocked rewritten logged ");
            break;
        case NativeType::origin:
            CHECK(strings_of(property, "enum") == "initiator packet file_sender ");
            break;
        case NativeType::kind:
            CHECK(strings_of(property, "enum") == "url ip ");
            break;
    }
}

TEST_CASE("schema and parser name the same fields, of the same types, required alike") {
    const Schema schema;
    const std::pair<std::string, std::span<const NativeField>> types[] = {{"detection", native_detection_fields()},
                                                                          {"block", native_block_fields()}};
    for (const auto& [type, fields] : types) {
        const auto& properties = *object_at(schema.of(type), "properties");
        std::set<std::string> in_schema;
        for (const auto& property : properties) {
            in_schema.insert(std::string(property.key()));
        }
        std::set<std::string> in_parser{"type"};
        std::set<std::string> required{"type"};
        for (const auto& field : fields) {
            INFO(field.name);
            in_parser.emplace(field.name);
            if (field.required) {
                required.emplace(field.name);
            }
            const auto* property = object_at(properties, field.name);
            REQUIRE(property != nullptr);
            check_property(*property, field.type);
        }
        CHECK(in_schema == in_parser);
        std::set<std::string> required_in_schema;
        for (const auto& name : schema.of(type).at("required").as_array()) {
            required_in_schema.emplace(name.as_string());
        }
        CHECK(required_in_schema == required);
    }
}

TEST_CASE("every field the parser names is read, and refused when its type is wrong") {
    for (const auto& field : native_detection_fields()) {
        INFO(field.name);
        boost::json::object line{{"type", "detection"},
                                 {"function", "ips"},
                                 {"observed_at", "2026-04-08T10:39:40Z"},
                                 {"action", "blocked"},
                                 {"threat_name", "x"}};
        line[field.name] = boost::json::array{};
        CHECK(parse_error(boost::json::serialize(line)).starts_with(std::string(field.name) + " must be"));
    }
    for (const auto& field : native_block_fields()) {
        INFO(field.name);
        boost::json::object line{
            {"type", "block"}, {"kind", "url"}, {"key", "x"}, {"observed_at", "2026-04-08T10:39:40Z"}};
        line[field.name] = boost::json::array{};
        CHECK(parse_error(boost::json::serialize(line)).starts_with(std::string(field.name) + " must be"));
    }
}

TEST_CASE("the schema's examples are accepted, and show every function, kind and field") {
    const Schema schema;
    std::set<std::string> shown;
    for (const auto* type : {"detection", "block"}) {
        for (const auto& example : schema.of(type).at("examples").as_array()) {
            const auto line = boost::json::serialize(example);
            INFO(line);
            CHECK(parse_native(line, japan));
            for (const auto& member : example.as_object()) {
                shown.emplace(member.key());
            }
            for (const auto* name : {"function", "kind"}) {
                shown.emplace(text_at(example.as_object(), name));
            }
        }
    }
    for (const auto* value : {"ips", "av", "wg", "uf", "apg", "url", "ip"}) {
        CHECK(shown.contains(value));
    }
    for (const auto fields : {native_detection_fields(), native_block_fields()}) {
        for (const auto& field : fields) {
            INFO(field.name);
            CHECK(shown.contains(std::string(field.name)));
        }
    }
}

TEST_CASE("a native log becomes entries with raw line, source and lane") {
    TemporaryFolder folder;
    const auto path = folder.file("native.ndjson");
    append(path, content_of(MIMAMORI_TEST_DATA "/native/all.ndjson"));
    auto source = follow_file(LineFormat::native, options_for(path), {}, {});
    const auto entries = read_all(*source);
    REQUIRE(entries.size() == 9);
    const auto rat = detection_in(entries[0]);
    CHECK(rat.threat_name() == "JSIG-RAT GHOST-Activity-9");
    CHECK(rat.source_format() == "native");
    CHECK(rat.source_id() == "utm-log");
    CHECK(content_of(path).starts_with(rat.raw() + "\n"));
    CHECK(entries[0].urgent);
    CHECK(entries[0].function == domain::Function::ips);
    CHECK(entries[0].observed_at_us == rat.observed_at_us());
    CHECK(entries[0].position.source_index == 3);
    CHECK_FALSE(entries[1].urgent);  // a virus coming in
    CHECK_FALSE(entries[2].urgent);  // IPv6 documentation addresses are not private
    CHECK(block_in(entries[5]).key() == "ads.example");
    CHECK_FALSE(entries[5].urgent);
    CHECK(block_in(entries[6]).count() == 12);
    const auto rejected = rejected_in(entries[7]);
    CHECK(rejected.reason() == "source_port must be an integer from 0 to 65535");
    CHECK(rejected.source_format() == "native");
    CHECK(rejected.source_id() == "utm-log");
    CHECK(rejected.raw_size() == rejected.raw().size());
    CHECK(rejected_in(entries[8]).raw() == "Apr  8 10:39:40 utm restarted");
    const auto stats = source->stats();
    CHECK(stats.events == 5);
    CHECK(stats.blocks == 2);
    CHECK(stats.rejected == 2);
    CHECK(stats.lines == 9);
}

TEST_CASE("the LAN the service names decides what is urgent") {
    TemporaryFolder folder;
    const auto path = folder.file("native.ndjson");
    append(path, content_of(MIMAMORI_TEST_DATA "/native/all.ndjson"));
    auto source = follow_file(LineFormat::native, options_for(path), {}, {});
    source->set_lan({*domain::parse_range("2001:db8:10::/48")});
    const auto entries = read_all(*source);
    CHECK_FALSE(entries[0].urgent);
    CHECK(entries[2].urgent);  // a dangerous site visited from the LAN
}

}  // namespace
}  // namespace mimamori::agent::sources
