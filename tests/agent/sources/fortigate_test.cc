// Lines written after Fortinet's log message reference and after the forms of public samples, with documentation
// addresses.
#include "appliance-agent/sources/fortigate.h"

#include "base/text.h"
#include "support.h"

namespace mimamori::agent::sources {
namespace {

namespace pb = detection::v1;

LineEntry entry_of(std::string_view line) {
    auto entry =
        parse_fortigate(line, {.assumed_utc_offset = std::chrono::minutes{540}, .lan = domain::private_ranges()});
    INFO(line);
    REQUIRE(entry);
    return *entry;
}

pb::Detection detection_of(std::string_view line) {
    const auto entry = entry_of(line);
    INFO(line);
    REQUIRE(std::holds_alternative<pb::Detection>(entry));
    return std::get<pb::Detection>(entry);
}

std::string skipped_of(std::string_view line) {
    const auto entry = entry_of(line);
    INFO(line);
    REQUIRE(std::holds_alternative<Skipped>(entry));
    return std::get<Skipped>(entry).kind;
}

constexpr std::int64_t time_us = 1'775'612'380'000'000;  // 2026-04-08T01:39:40Z
const std::string head =
    R"(<185>date=2026-04-08 time=10:39:40 devname="FG" devid="FG100F0000000000" eventtime=1775612380000000000 tz="+0900" vd="root" )";

TEST_CASE("an intrusion, with every field") {
    const auto d = detection_of(
        head +
        R"(logid="0419016384" type="utm" subtype="ips" eventtype="signature" level="alert" severity="critical" srcip=192.168.10.23 )"
        R"(srccountry="Reserved" dstip=198.51.100.45 srcintf="port2" sessionid=88 action="dropped" proto=6 service="HTTPS" policyid=1 )"
        R"(attack="Example.Backdoor" srcport=49731 dstport=443 hostname="c2.example" url="/gate" direction="outgoing" attackid=90210 )"
        R"(srcmac="00:00:5e:00:53:17" dstmac="00:00:5e:00:53:fe" msg="backdoor: Example.Backdoor" crscore=50 crlevel="critical")");
    CHECK(d.function() == pb::FUNCTION_IPS);
    CHECK(d.action() == pb::ACTION_BLOCKED);
    CHECK(d.origin() == pb::ORIGIN_INITIATOR);
    CHECK(d.observed_at_us() == time_us);
    CHECK(d.threat_name() == "Example.Backdoor");
    CHECK(d.threat_id() == "90210");
    CHECK(d.vendor_priority() == 1);
    CHECK(d.source_ip() == "192.168.10.23");
    CHECK(d.source_port() == 49731);
    CHECK(d.destination_ip() == "198.51.100.45");
    CHECK(d.destination_port() == 443);
    CHECK(d.protocol() == "TCP");
    CHECK(d.app_protocol() == "https");
    CHECK(d.lan_mac() == "00-00-5E-00-53-17");
    CHECK(d.url() == "https://c2.example/gate");
    CHECK(d.destination_host() == "c2.example");
}

TEST_CASE("an anomaly is an intrusion, of an older type too") {
    for (const auto* type : {"utm", "anomaly"}) {
        const auto d = detection_of(
            head + "type=\"" + type +
            R"(" subtype="anomaly" severity="high" attack="tcp_syn_flood" attackid=100663396 action="clear_session" srcip=198.51.100.9 dstip=203.0.113.1)");
        CHECK(d.function() == pb::FUNCTION_IPS);
        CHECK(d.threat_name() == "tcp_syn_flood");
        CHECK(d.vendor_priority() == 2);
        CHECK(d.action() == pb::ACTION_BLOCKED);
    }
    CHECK(detection_of(head + R"(type="utm" subtype="ips")").threat_name() == "unnamed attack");
}

std::string virus_line(const std::string& rest) {
    return head +
           R"(logid="0211008192" type="utm" subtype="virus" eventtype="infected" level="warning" msg="File is infected." action="blocked" )"
           R"(srcip=192.168.10.31 dstip=198.51.100.7 srcport=60446 dstport=80 srcmac="00:00:5E:00:53:21" proto=6 filename="invoice.exe" )"
           R"(virus="EICAR_TEST_FILE" dtype="Virus" virusid=2172 url="http://files.example/invoice.exe" )"
           R"(analyticscksum="275A021BBFB6489E54D471899F7DB9D1663FC695EC2FE2A2C4538AABF651FD0F" )" +
           rest;
}

TEST_CASE("a virus: the sender of the file is the server of a download and the client of an upload") {
    const auto down = detection_of(virus_line(R"(service="HTTP" direction="incoming")"));
    CHECK(down.function() == pb::FUNCTION_AV);
    CHECK(down.origin() == pb::ORIGIN_FILE_SENDER);
    CHECK(down.source_ip() == "198.51.100.7");
    CHECK(down.source_port() == 80);
    CHECK(down.destination_ip() == "192.168.10.31");
    CHECK(down.destination_port() == 60446);
    CHECK(down.lan_mac() == "00-00-5E-00-53-21");
    CHECK(down.virus_name() == "EICAR_TEST_FILE");
    CHECK(down.virus_id() == "2172");
    CHECK(down.file_name() == "invoice.exe");
    CHECK(down.file_sha256() == "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f");
    CHECK(down.url() == "http://files.example/invoice.exe");
    CHECK(detection_of(virus_line(R"(service="HTTP" direction="outgoing")")).source_ip() == "192.168.10.31");
    CHECK(detection_of(virus_line(R"(service="HTTP" direction="N/A")")).source_ip() == "198.51.100.7");
    const auto mail = detection_of(virus_line(R"(service="SMTP" subject="Invoice \"2026\"")"));
    CHECK(mail.source_ip() == "192.168.10.31");
    CHECK(mail.mail_subject() == "Invoice \"2026\"");
    CHECK(skipped_of(head + R"(type="utm" subtype="virus" eventtype="oversize" filename="big.iso")") == "utm/virus");
}

std::string web_line(const std::string& rest) {
    return head +
           R"(logid="0316013056" type="utm" subtype="webfilter" srcip=192.168.10.44 srcport=52011 dstip=198.51.100.66 dstport=443 proto=6 )"
           R"(service="HTTPS" hostname="www.example.net" url="https://www.example.net/a" )" +
           rest;
}

TEST_CASE("a webfilter line is Web Guard's, the category filter's or a roll-up's by its category") {
    const auto dangerous =
        detection_of(web_line(R"(eventtype="ftgd_blk" action="blocked" cat=26 catdesc="Malicious Websites")"));
    CHECK(dangerous.function() == pb::FUNCTION_WG);
    CHECK(dangerous.action() == pb::ACTION_BLOCKED);
    CHECK(dangerous.url() == "https://www.example.net/a");
    CHECK(dangerous.destination_ip() == "198.51.100.66");
    CHECK(dangerous.source_ip() == "192.168.10.44");
    const auto off = detection_of(web_line(R"(eventtype="ftgd_allow" action="passthrough" cat=11 catdesc="Gambling")"));
    CHECK(off.function() == pb::FUNCTION_UF);
    CHECK(off.category() == "Gambling");
    CHECK(off.action() == pb::ACTION_LOGGED);
    const auto block = entry_of(web_line(R"(eventtype="urlfilter" action="blocked")"));
    CHECK(std::get<pb::Block>(block).key() == "www.example.net");
    CHECK(std::get<pb::Block>(block).observed_at_us() == time_us);
    CHECK(std::get<pb::Block>(entry_of(head + R"(type="utm" subtype="webfilter" action="blocked" dstip=198.51.100.66)"))
              .key() == "198.51.100.66");
    CHECK(skipped_of(web_line(R"(eventtype="ftgd_allow" action="passthrough" catdesc="Business")")) == "utm/webfilter");
    CHECK(skipped_of(head + R"(type="utm" subtype="webfilter" action="blocked")") == "utm/webfilter");
}

TEST_CASE("what is about a botnet is Web Guard's, whichever engine saw it") {
    const auto dns = detection_of(
        head +
        R"(type="utm" subtype="dns" eventtype="dns-response" action="redirect" srcip=192.168.10.44 dstip=198.51.100.53 qname="c2.example" botnetdomain="c2.example" msg="Domain was blocked")");
    CHECK(dns.function() == pb::FUNCTION_WG);
    CHECK(dns.destination_host() == "c2.example");
    CHECK(dns.threat_name() == "c2.example");
    CHECK(dns.action() == pb::ACTION_BLOCKED);
    const auto ips = detection_of(
        head +
        R"(type="utm" subtype="ips" eventtype="botnet" attack="Example.Botnet" action="detected" srcip=192.168.10.44)");
    CHECK(ips.function() == pb::FUNCTION_WG);
    CHECK(ips.threat_name() == "Example.Botnet");
    CHECK(ips.action() == pb::ACTION_LOGGED);
    CHECK(skipped_of(head + R"(type="utm" subtype="dns" eventtype="dns-query" qname="www.example.com")") == "utm/dns");
    CHECK(
        skipped_of(
            head +
            R"(type="utm" subtype="dns" eventtype="dns-response" qname="x.example" action="block" catdesc="Games")") ==
        "utm/dns");
}

TEST_CASE("an application") {
    const auto d = detection_of(
        head +
        R"(type="utm" subtype="app-ctrl" eventtype="signature" appid=31077 srcip=192.168.10.68 dstip=198.51.100.91 proto=17 service="SSL" action="block" appcat="Video/Audio" app="YouTube" hostname="www.example.com" url="/")");
    CHECK(d.function() == pb::FUNCTION_APG);
    CHECK(d.application() == "YouTube");
    CHECK(d.category() == "Video/Audio");
    CHECK(d.threat_id() == "31077");
    CHECK(d.protocol() == "UDP");
    CHECK(d.url() == "https://www.example.com/");
}

TEST_CASE("eventtime counts in seconds, milli-, micro- or nanoseconds; without it date, time and tz stand") {
    const auto at = [](const std::string& time) {
        return detection_of(time + R"( type="utm" subtype="ips" attack="x")").observed_at_us();
    };
    CHECK(at("eventtime=1775612380") == time_us);
    CHECK(at("eventtime=1775612380123") == time_us + 123'000);
    CHECK(at("eventtime=1775612380123456") == time_us + 123'456);
    CHECK(at("eventtime=1775612380123456789") == time_us + 123'456);
    CHECK(at(R"(date=2026-04-08 time=10:39:40 tz="+0900")") == time_us);
    CHECK(at(R"(date=2026-04-08 time=03:39:40 tz="+0200" eventtime="")") == time_us);
    CHECK(at("date=2026-04-08 time=10:39:40") == time_us);
    CHECK(at("date=2026-04-08 time=10:39:40 tz=JST") == time_us);
    CHECK(at("eventtime=177 date=2026-04-08 time=10:39:40") == time_us);
    CHECK(at("eventtime=-775612380 date=2026-04-08 time=10:39:40") == time_us);
    CHECK(at("eventtime=99999999999999999999 date=2026-04-08 time=10:39:40") == time_us);
    CHECK(at("date=soon") == 0);
}

TEST_CASE("the CSV form reads the same") {
    const auto d = detection_of(
        R"(date=2026-04-08,time=10:39:40,devname="FG",tz="+0900",type="utm",subtype="ips",severity="low",srcip=192.168.10.23,attack="a, b",attackid=7)");
    CHECK(d.threat_name() == "a, b");
    CHECK(d.source_ip() == "192.168.10.23");
    CHECK(d.vendor_priority() == 4);
    CHECK(d.observed_at_us() == time_us);
}

TEST_CASE("a name where an address is expected, bytes that are no UTF-8, and fields an attacker writes") {
    const auto d = detection_of(
        head + "type=utm subtype=ips attack=\"x\xFFy\" srcip=client.example dstip=server.example srcport=70000");
    CHECK(d.source_ip().empty());
    CHECK(d.source_port() == 0);
    CHECK(d.destination_host() == "server.example");
    CHECK(base::is_utf8(d.threat_name()));
    const auto forged = detection_of(
        head +
        R"(type="utm" subtype="ips" srcip=192.168.10.23 attack="x" url="/\" srcip=203.0.113.9 severity=\"critical" severity="low")");
    CHECK(forged.source_ip() == "192.168.10.23");
    CHECK(forged.vendor_priority() == 4);
}

TEST_CASE("what is no detection is skipped by its kind, what is no such line is rejected") {
    CHECK(skipped_of(head + R"(type="traffic" subtype="forward" action="deny")") == "traffic/forward");
    CHECK(skipped_of(head + R"(type="event" subtype="system")") == "event/system");
    CHECK(skipped_of(head + R"(type="utm" subtype="waf" attack="x")") == "utm/waf");
    CHECK(skipped_of(head + R"(type="traffic" subtype="virus" virus="x")") == "traffic/virus");
    const auto why = [](std::string_view line) {
        return parse_fortigate(line, {.assumed_utc_offset = {}, .lan = domain::private_ranges()}).error();
    };
    CHECK(why("hello") == "not a FortiGate log line: type= is missing");
    CHECK(why("type=utm") == "not a FortiGate log line: subtype= is missing");
}

}  // namespace
}  // namespace mimamori::agent::sources
