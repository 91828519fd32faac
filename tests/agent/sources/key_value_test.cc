#include "appliance-agent/sources/key_value.h"

#include <catch2/catch.hpp>

namespace mimamori::agent::sources {
namespace {

std::string value_in(std::string_view line, std::string_view key) {
    return KeyValueLine(line).text(key);
}

TEST_CASE("values are plain, in double or in single quotes") {
    const KeyValueLine line(R"(id=firewall time="2026-04-08 10:39:40 UTC" appName='General HTTPS' n=5)");
    CHECK(line.size() == 4);
    CHECK(line.text("id") == "firewall");
    CHECK(line.text("time") == "2026-04-08 10:39:40 UTC");
    CHECK(line.text("appName") == "General HTTPS");
    CHECK(line.text("n") == "5");
    CHECK(line.text("m").empty());
}

TEST_CASE("a priority and a syslog header before the pairs are passed over, and neither is needed") {
    for (const auto* header : {"", "<134>", "<134> ", "<134>Apr  8 10:39:40 192.0.2.1 ",
                               "Apr  8 10:39:40 utm firewall: ", "<134>1 2026-04-08T10:39:40+09:00 utm firewall - - - ",
                               "<134>1 2026-04-08T10:39:40+09:00 utm firewall 7 ID5 [meta seq=\"1\"] "}) {
        CHECK(value_in(std::string(header) + "id=utm m=82", "id") == "utm");
        CHECK(value_in(std::string(header) + "id=utm m=82", "m") == "82");
    }
}

TEST_CASE("structured data of RFC 5424 is pairs as well") {
    const KeyValueLine line(
        R"(<189>1 2026-04-08T10:39:40Z fg - - - [fortinet@12356 date="2026-04-08" type="utm"] rest=1)");
    CHECK(line.text("date") == "2026-04-08");
    CHECK(line.text("type") == "utm");
    CHECK(line.text("rest") == "1");
}

TEST_CASE("of a key that stands twice the first value that is not empty stands") {
    CHECK(value_in(R"(msg="Port scan" src=1 msg="something else")", "msg") == "Port scan");
    CHECK(value_in(R"(msg="" msg= msg="Port scan")", "msg") == "Port scan");
}

TEST_CASE("empty values swallow nothing") {
    const KeyValueLine line(R"(usr= src=192.0.2.1 note="" dst=)");
    CHECK(line.size() == 4);
    CHECK(line.text("usr").empty());
    CHECK(line.text("src") == "192.0.2.1");
    CHECK(line.text("note").empty());
}

TEST_CASE("a key inside quoted text is text") {
    const KeyValueLine line(R"(msg="login failed src=203.0.113.9 dst=x" src=192.0.2.1)");
    CHECK(line.text("src") == "192.0.2.1");
    CHECK(line.text("dst").empty());
    CHECK(line.text("msg") == "login failed src=203.0.113.9 dst=x");
}

TEST_CASE("escaped quotes stay inside and lose their backslash, other backslashes stay") {
    const KeyValueLine line(
        R"(url="/a\" srcip=203.0.113.9 \"b" filename="C:\dir\x.exe" path="\\host\\share" srcip=192.0.2.1)");
    CHECK(line.text("url") == R"(/a" srcip=203.0.113.9 "b)");
    CHECK(line.text("filename") == R"(C:\dir\x.exe)");
    CHECK(line.text("path") == R"(\host\share)");
    CHECK(line.text("srcip") == "192.0.2.1");
}

TEST_CASE("a quote inside a word neither opens nor closes") {
    CHECK(value_in(R"(arg=/it's"here code=49)", "arg") == R"(/it's"here)");
    CHECK(value_in(R"(msg="say "hi"now" code=49)", "msg") == R"(say "hi"now)");
    CHECK(value_in(R"(usr='tis src=192.0.2.1)", "src") == "192.0.2.1");
    CHECK(value_in(R"(usr='tis src=192.0.2.1)", "usr") == "'tis");
}

TEST_CASE("a line cut off inside a value gives the value as far as it goes") {
    CHECK(value_in(R"(m=14 msg="Web site acc)", "msg") == "Web site acc");
    CHECK(value_in("m=14 appName='General", "appName") == "'General");
    CHECK(value_in("m=14 ms", "m") == "14");
    CHECK(value_in("m=14 msg=", "m") == "14");
    CHECK(value_in("m=14 msg=\"", "m") == "14");
    CHECK(value_in("m=14 msg=\"a\\", "msg") == "a\\");
}

TEST_CASE("the CSV form is told by how its first value ends; a comma elsewhere is text") {
    const KeyValueLine csv(R"(<189>date=2026-04-08,time=10:39:40,devname="F,G",type="utm",url="/a,b=c",level=notice)");
    CHECK(csv.text("time") == "10:39:40");
    CHECK(csv.text("devname") == "F,G");
    CHECK(csv.text("type") == "utm");
    CHECK(csv.text("url") == "/a,b=c");
    CHECK(csv.text("level") == "notice");
    const KeyValueLine quoted(R"(devname="FG",type="utm",subtype="ips")");
    CHECK(quoted.text("type") == "utm");
    CHECK(quoted.text("subtype") == "ips");
    const KeyValueLine plain("id=firewall arg=/x,Category=News]dst=203.0.113.9 code=49");
    CHECK(plain.text("arg") == "/x,Category=News]dst=203.0.113.9");
    CHECK(plain.text("Category").empty());
    CHECK(plain.text("dst").empty());
}

TEST_CASE("keys are found whatever their case, in the order of preference that is asked for") {
    const KeyValueLine line("CATEGORY=one spycat=two");
    CHECK(line.text("Category") == "one");
    CHECK(line.text({"ipscat", "spycat", "Category"}) == "two");
}

TEST_CASE("a line of endless pairs or quotes is read within bounds") {
    std::string many;
    for (int i = 0; i < 5000; ++i) {
        many += "k" + std::to_string(i) + "=v ";
    }
    CHECK(KeyValueLine(many).size() == KeyValueLine::max_pairs);
    std::string quotes;
    while (quotes.size() < 4 << 20) {
        quotes += "a='b ";
    }
    CHECK(KeyValueLine(quotes).size() == KeyValueLine::max_pairs);
    const std::string words(4 << 20, 'x');
    CHECK(KeyValueLine(words + " m=82").text("m") == "82");
    CHECK(KeyValueLine("").size() == 0);
    CHECK(KeyValueLine("<134>").size() == 0);
    CHECK(KeyValueLine("=x ==y m=82").text("m") == "82");
}

}  // namespace
}  // namespace mimamori::agent::sources
