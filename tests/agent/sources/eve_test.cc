#include "appliance-agent/sources/eve_detection.h"
#include "appliance-agent/sources/eve_rules.h"
#include "support.h"

namespace mimamori::agent::sources {
namespace {

namespace pb = detection::v1;
constexpr std::chrono::minutes japan{540};

// An alert event from a LAN client to a server outside, with `more` members.
std::string alert_line(const std::string& signature, const std::string& category, const std::string& more = "") {
    return R"({"timestamp":"2026-11-21T10:35:11.309368+0900","flow_id":1,"event_type":"alert","src_ip":"192.168.1.20",)"
           R"("src_port":50000,"dest_ip":"203.0.113.9","dest_port":80,"proto":"TCP","alert":{"action":"allowed","gid":1,)"
           R"("signature_id":2001,"rev":3,"severity":1,"signature":")" +
           signature + R"(","category":")" + category + "\"}" + (more.empty() ? "" : "," + more) + "}";
}

pb::Detection detect(const std::string& line) {
    const auto event = parse_eve(line, japan);
    INFO((event ? line : event.error()));
    REQUIRE(event);
    REQUIRE(event->alert);
    return to_detection(*event->alert, domain::private_ranges());
}

TEST_CASE("the fields of an alert arrive in their places") {
    const auto d = detect(
        alert_line("ET EXPLOIT Something", "Attempted Administrator Privilege Gain",
                   R"("ether":{"src_mac":"00:00:5E:00:53:17","dest_mac":"00:00:5e:00:53:01"},"app_proto":"http",)"
                   R"("http":{"hostname":"www.example.com","http_port":8080,"url":"\/a?b=1"},)"
                   R"("flow":{"src_ip":"192.168.1.20","src_port":50000,"dest_ip":"203.0.113.9","dest_port":80})"));
    CHECK(d.function() == pb::FUNCTION_IPS);
    CHECK(d.action() == pb::ACTION_LOGGED);
    CHECK(d.origin() == pb::ORIGIN_INITIATOR);
    CHECK(d.observed_at_us() == 1'795'224'911'309'368);
    CHECK(d.source_ip() == "192.168.1.20");
    CHECK(d.source_port() == 50000);
    CHECK(d.destination_ip() == "203.0.113.9");
    CHECK(d.destination_port() == 80);
    CHECK(d.lan_mac() == "00-00-5E-00-53-17");
    CHECK(d.protocol() == "TCP");
    CHECK(d.app_protocol() == "http");
    CHECK(d.threat_name() == "ET EXPLOIT Something");
    CHECK(d.threat_id() == "1:2001:3");
    CHECK(d.category() == "Attempted Administrator Privilege Gain");
    CHECK(d.vendor_priority() == 1);
    CHECK(d.destination_host() == "www.example.com");
    CHECK(d.url() == "http://www.example.com:8080/a?b=1");
    CHECK(d.virus_name().empty());
    CHECK_FALSE(d.raw_truncated());
}

TEST_CASE("source is the flow's initiator where the event names it, else the packet's source") {
    const auto response = alert_line("x", "y",
                                     R"("direction":"to_client","flow":{"src_ip":"203.0.113.9","src_port":80,)"
                                     R"("dest_ip":"192.168.1.20","dest_port":50000})");
    CHECK(detect(response).source_ip() == "203.0.113.9");
    CHECK(detect(response).destination_port() == 50000);
    CHECK(detect(response).origin() == pb::ORIGIN_INITIATOR);
    const auto without = alert_line("x", "y", R"("flow":{"pkts_toserver":1})");
    CHECK(detect(without).source_ip() == "192.168.1.20");
    CHECK(detect(without).origin() == pb::ORIGIN_PACKET);
}

TEST_CASE("the MAC is the LAN-side device's, whichever way the packet went") {
    const std::string ether = R"("ether":{"src_mac":"00-00-5E-00-53-AA","dest_mac":"00:00:5e:00:53:bb"})";
    CHECK(detect(alert_line("x", "y", ether)).lan_mac() == "00-00-5E-00-53-AA");
    const auto line = [&](const std::string& source, const std::string& destination, const std::string& flow = "") {
        return R"({"event_type":"alert","src_ip":")" + source + R"(","dest_ip":")" + destination +
               R"(","alert":{"signature":"x"},)" + ether + flow + "}";
    };
    CHECK(detect(line("203.0.113.9", "192.168.1.20")).lan_mac() == "00-00-5E-00-53-BB");
    CHECK(detect(line("203.0.113.9", "198.51.100.1")).lan_mac().empty());
    CHECK(detect(line("192.168.1.1", "192.168.1.20")).lan_mac() == "00-00-5E-00-53-AA");
    // The response of a flow that the other device began: the device is the initiator.
    CHECK(detect(line("192.168.1.1", "192.168.1.20", R"(,"flow":{"src_ip":"192.168.1.20","dest_ip":"192.168.1.1"})"))
              .lan_mac() == "00-00-5E-00-53-BB");
}

TEST_CASE("what was done") {
    const auto action = [](const std::string& word, const std::string& more = "") {
        return detect(R"({"event_type":"alert","alert":{"signature":"x","action":")" + word + "\"}" + more + "}")
            .action();
    };
    CHECK(action("allowed") == pb::ACTION_LOGGED);
    CHECK(action("blocked") == pb::ACTION_BLOCKED);
    CHECK(action("allowed", R"(,"verdict":{"action":"drop"})") == pb::ACTION_BLOCKED);
    CHECK(action("allowed", R"(,"verdict":{"action":"reject","reject":["tcp-reset"]})") == pb::ACTION_BLOCKED);
    CHECK(action("blocked", R"(,"verdict":{"action":"pass"})") == pb::ACTION_LOGGED);
    CHECK(action("allowed", R"(,"verdict":{"action":"alert"})") == pb::ACTION_LOGGED);
    CHECK(action("mystery") == pb::ACTION_UNSPECIFIED);
}

TEST_CASE("timestamps with a zone without colon, with a colon, in UTC, without any, or unreadable") {
    const auto time = [](const std::string& text) {
        return detect(R"({"timestamp":")" + text + R"(","event_type":"alert","alert":{"signature":"x"}})")
            .observed_at_us();
    };
    CHECK(time("2026-11-21T10:35:11.309368+0900") == 1'795'224'911'309'368);
    CHECK(time("2026-11-21T10:35:11.309368+09:00") == 1'795'224'911'309'368);
    CHECK(time("2026-11-21T01:35:11.309368Z") == 1'795'224'911'309'368);
    CHECK(time("2026-11-20T19:35:11.309368-0600") == 1'795'224'911'309'368);
    CHECK(time("2026-11-21T10:35:11.309368") == 1'795'224'911'309'368);  // the assumed zone
    CHECK(time("soon") == 0);
}

TEST_CASE("function of a rule") {
    const std::string trojan = "A Network Trojan was detected";
    const std::string policy = "Potential Corporate Privacy Violation";
    const std::string http = R"("app_proto":"http")";
    const std::string tls = R"("app_proto":"tls")";
    const std::string dns = R"("app_proto":"dns")";
    const std::string file = R"("app_proto":"http","files":[{"filename":"/a.exe"}])";
    struct Row {
        std::string signature, category, more;
        pb::Function function;
    };
    const Row rows[] = {
        {"TEST HTTP EICAR download", trojan, file, pb::FUNCTION_AV},
        {"ET MALWARE Win32/Agent Download", "Misc activity", file, pb::FUNCTION_AV},
        {"Some vendor's name", "Malware file", file, pb::FUNCTION_AV},
        {"ET TROJAN Possible Windows executable sent", trojan, http, pb::FUNCTION_IPS},  // no file known
        // About the connection, not about a file: the sender of the answer must not hide who is infected.
        {"ET TROJAN Poweliks Clickfraud CnC M4", trojan, file, pb::FUNCTION_IPS},
        {"ET TROJAN Miuref/Boaxxe Checkin", trojan, file, pb::FUNCTION_IPS},
        {"JSIG-RAT GHOST-Activity-9", trojan, file, pb::FUNCTION_IPS},
        {"ET MALWARE Generic", "Malware Command and Control Activity Detected", file, pb::FUNCTION_IPS},
        {"ET WEB_SERVER PHP.//Input in HTTP POST", trojan, file, pb::FUNCTION_IPS},
        {"ET POLICY PE EXE or DLL Windows file download HTTP", policy, file, pb::FUNCTION_IPS},
        {"ET DNS Query to a *.pw domain - Likely Hostile", "Potentially Bad Traffic", dns, pb::FUNCTION_WG},
        {"ET PHISHING Fake login page", "Possible Social Engineering Attempted", http, pb::FUNCTION_WG},
        {"ET MALWARE Observed Agent Domain (x.example in TLS SNI)", "Domain Observed Used for C2 Detected", tls,
         pb::FUNCTION_WG},
        {"URLhaus Known malware download URL detected", trojan, http, pb::FUNCTION_WG},
        {"Malicious Domain contacted", "Misc activity", R"("proto":"TCP")", pb::FUNCTION_IPS},  // no site was visited
        {"ET CINS Active Threat Intelligence Poor Reputation IP group 100", "Misc Attack", http, pb::FUNCTION_IPS},
        {"ET CHAT Skype User-Agent detected", policy, http, pb::FUNCTION_APG},
        {"ET P2P Edonkey Publicize File ACK", policy, "", pb::FUNCTION_APG},
        {"ET POLICY Dropbox.com Offsite File Backup in Use", policy, tls, pb::FUNCTION_APG},
        {"ET POLICY Incoming Basic Auth Base64 HTTP Password detected unencrypted", policy, http, pb::FUNCTION_IPS},
        {"ET SCAN Potential SSH Scan", "Attempted Information Leak", "", pb::FUNCTION_IPS},
        {"SURICATA TLS invalid record/traffic", "Generic Protocol Command Decode", tls, pb::FUNCTION_IPS},
        {"", "", "", pb::FUNCTION_IPS},
    };
    for (const auto& row : rows) {
        INFO(row.signature);
        CHECK(detect(alert_line(row.signature, row.category, row.more)).function() == row.function);
    }
}

TEST_CASE("the application of a rule") {
    CHECK(application_of_rule("ET POLICY Dropbox.com Offsite File Backup in Use") == "Dropbox");
    CHECK(application_of_rule("GPL CHAT Jabber/Google Talk Outgoing Traffic") == "Jabber");
    CHECK(application_of_rule("ET GAMES Some game login") == "Some game login");
    CHECK(application_of_rule("ET POLICY curl User-Agent Outbound") == std::nullopt);
    CHECK(application_of_rule("Skype") == std::nullopt);
    CHECK(application_of_rule("") == std::nullopt);
}

TEST_CASE("a virus: source is the file's sender, names go to the virus") {
    const auto d = detect(
        R"({"event_type":"alert","src_ip":"203.0.113.9","src_port":80,"dest_ip":"192.168.1.20","dest_port":50000,)"
        R"("app_proto":"http","direction":"to_client","alert":{"signature":"EICAR","gid":1,"signature_id":5,"rev":2},)"
        R"("files":[{"filename":"a"},{"filename":"\/b.exe","sha256":"275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"}],)"
        R"("flow":{"src_ip":"192.168.1.20","src_port":50000,"dest_ip":"203.0.113.9","dest_port":80}})");
    CHECK(d.function() == pb::FUNCTION_AV);
    CHECK(d.origin() == pb::ORIGIN_FILE_SENDER);
    CHECK(d.source_ip() == "203.0.113.9");
    CHECK(d.destination_ip() == "192.168.1.20");
    CHECK(d.virus_name() == "EICAR");
    CHECK(d.virus_id() == "1:5:2");
    CHECK(d.threat_name().empty());
    CHECK(d.file_name() == "/b.exe");
    CHECK(d.file_sha256() == "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f");
}

TEST_CASE("the site of an alert") {
    const auto site = [](const std::string& more) {
        const auto d = detect(R"({"event_type":"alert","alert":{"signature":"x"},)" + more + "}");
        return d.destination_host() + " " + d.url();
    };
    CHECK(site(R"("http":{"hostname":"a.example","url":"/x"})") == "a.example http://a.example/x");
    CHECK(site(R"("http":{"hostname":"a.example","url":"http://b.example/x"})") == "a.example http://b.example/x");
    CHECK(site(R"("http":{"url":"/x"})") == " /x");
    CHECK(site(R"("http":{"url":"/libhtp::request_uri_not_seen","length":594})") == " ");
    CHECK(site(R"("http":{"hostname":"2001:db8::1","url":"/x"})") == "2001:db8::1 http://[2001:db8::1]/x");
    CHECK(site(R"("http":{"status":"200"})") == " ");
    CHECK(site(R"("tls":{"sni":"www.example.com","version":"TLS 1.3"})") == "www.example.com ");
    CHECK(site(R"("dns":{"query":[{"type":"query","rrname":"q.example"}]})") == "q.example ");
    CHECK(site(R"("dns":{"queries":[{"rrname":"q.example"}]})") == "q.example ");
    CHECK(site(R"("dns":{"rrname":"q.example"})") == "q.example ");
}

TEST_CASE("the mail of an alert is decoded") {
    const auto d =
        detect(alert_line("x", "y",
                          R"("app_proto":"smtp","email":{"subject":"=?ISO-2022-JP?B?GyRCQEE1YT1xJE43bxsoQg==?=",)"
                          R"("date":"Sat, 21 Nov 2026 10:00:00 +0900"})"));
    CHECK(d.mail_subject() == "請求書の件");
    CHECK(d.mail_date() == "Sat, 21 Nov 2026 10:00:00 +0900");
}

TEST_CASE("a flow id is a full unsigned 64-bit number") {
    const auto flow = [](const std::string& id) {
        return parse_eve(R"({"event_type":"flow","flow_id":)" + id + "}", japan)->flow_id;
    };
    CHECK(flow("18446744073709551615") == 18446744073709551615ULL);
    CHECK(flow("9223372036854775808") == 9223372036854775808ULL);
    CHECK(flow("0") == 0U);
    CHECK(flow("-1") == std::nullopt);
    CHECK(flow("1.5") == std::nullopt);
    CHECK(flow("\"7\"") == std::nullopt);
}

TEST_CASE("odd but harmless alerts are read") {
    CHECK(detect(R"({"event_type":"alert","alert":{"signature_id":2200003}})").threat_name() == "1:2200003:0");
    const auto odd = detect(
        R"({"event_type":"alert","src_ip":"example.com","src_port":70000,"dest_ip":7,"dest_port":"80","proto":null,)"
        R"("alert":{"signature":"x","severity":"high","category":[]},"http":[],"files":{},"ether":"none","flow":5,"email":[]})");
    CHECK(odd.source_ip().empty());
    CHECK(odd.source_port() == 0);
    CHECK(odd.destination_port() == 0);
    CHECK(odd.vendor_priority() == 0);
    const auto bytes = detect("{\"event_type\":\"alert\",\"alert\":{\"signature\":\"a\xFF\"}}");
    CHECK(bytes.threat_name() == "a\xEF\xBF\xBD");
    CHECK(bytes.raw().find('\xFF') != std::string::npos);
    const auto big = detect(alert_line("x", "y", "\"payload\":\"" + std::string(20'000, 'A') + "\""));
    CHECK(big.raw().size() == 8192);
    CHECK(big.raw_truncated());
    CHECK(detect(alert_line("x", "y", R"("app_proto":"failed")")).app_protocol().empty());
}

TEST_CASE("what is no EVE event says so") {
    const auto error = [](std::string_view line) {
        const auto event = parse_eve(line, japan);
        return event ? std::string("accepted") : event.error();
    };
    CHECK(error("{}") == "not an EVE event: event_type is missing");
    CHECK(error(R"({"event_type":7})") == "not an EVE event: event_type is missing");
    CHECK(error(R"({"event_type":"alert"})") == "event_type is alert, but there is no object alert");
    CHECK(error(R"({"event_type":"alert","alert":{}})") == "alert has neither signature nor signature_id");
    CHECK(error("{").starts_with("not JSON: "));
    CHECK(error(R"({"event_type":"stats","stats":{"uptime":5}})") == "accepted");
    CHECK(error(R"({"event_type":"some_new_type"})") == "accepted");
}

TEST_CASE("facts of flows are bounded by flows, facts and bytes, and the oldest go first") {
    const auto fact = [](std::size_t size) {
        EveFact out;
        out.site = EveSite{.host = std::string(size, 'x'), .url = {}};
        return out;
    };
    FlowFacts flows(3, 1 << 20);
    for (std::uint64_t id = 0; id < 5; ++id) {
        flows.note(id, fact(1));
    }
    CHECK(flows.flows() == 3);
    CHECK(flows.of(1) == nullptr);
    REQUIRE(flows.of(2) != nullptr);
    flows.note(2, fact(1));  // seen again: the next to go is 3
    flows.note(9, fact(1));
    CHECK(flows.of(2) != nullptr);
    CHECK(flows.of(3) == nullptr);
    for (std::size_t i = 0; i < 40; ++i) {
        flows.note(9, fact(i));
    }
    CHECK(flows.of(9)->size() == FlowFacts::facts_per_flow);
    CHECK(flows.of(9)->back().site->host.size() == 39);

    FlowFacts small(1000, 10'000);
    for (std::uint64_t id = 0; id < 500; ++id) {
        small.note(id, fact(200));
        CHECK(small.bytes() <= 10'000);
    }
    CHECK(small.of(499) != nullptr);
    CHECK(small.of(0) == nullptr);
}

}  // namespace
}  // namespace mimamori::agent::sources
