// How the events of one flow are put together, and what bounds it.
#include "support.h"

namespace mimamori::agent::sources {
namespace {

namespace pb = detection::v1;

const std::string sha = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f";
const std::string max_flow = "18446744073709551615";

std::string smtp_alert(const std::string& flow, const std::string& tx = "0",
                       const std::string& name = "EICAR in mail") {
    return R"({"event_type":"alert","flow_id":)" + flow + R"(,"tx_id":)" + tx +
           R"(,"src_ip":"198.51.100.25","src_port":40000,"dest_ip":"192.168.1.5","dest_port":25,"app_proto":"smtp",)"
           R"("alert":{"action":"allowed","signature":")" +
           name + R"(","category":"A Network Trojan was detected"}})" + "\n";
}
std::string smtp_event(const std::string& flow, const std::string& tx = "0", const std::string& subject = "Hello") {
    return R"({"event_type":"smtp","flow_id":)" + flow + R"(,"tx_id":)" + tx +
           R"(,"src_ip":"198.51.100.25","dest_ip":"192.168.1.5","smtp":{"helo":"a"},"email":{"subject":")" + subject +
           R"(","date":"Sat, 21 Nov 2026 10:00:00 +0900"}})" + "\n";
}
std::string smtp_event_without_mail(const std::string& flow) {
    return R"({"event_type":"smtp","flow_id":)" + flow + R"(,"smtp":{"helo":"a"}})" + "\n";
}
// `sender` and `receiver` as Suricata writes a fileinfo's ends.
std::string fileinfo(const std::string& flow, const std::string& name, const std::string& sender = "198.51.100.25",
                     const std::string& sender_port = "40000", const std::string& tx = "0") {
    return R"({"event_type":"fileinfo","flow_id":)" + flow + R"(,"src_ip":")" + sender + R"(","src_port":)" +
           sender_port + R"(,"dest_ip":"192.168.1.5","dest_port":25,"app_proto":"smtp","fileinfo":{"filename":")" +
           name + R"(","sha256":")" + sha + R"(","tx_id":)" + tx + "}}\n";
}
std::string plain_alert(const std::string& name) {
    return R"({"event_type":"alert","flow_id":99,"src_ip":"198.51.100.1","dest_ip":"192.168.1.5",)"
           R"("alert":{"action":"allowed","signature":")" +
           name + "\"}}\n";
}

struct Log {
    TemporaryFolder folder;
    std::string path = folder.file("eve.json");
    SourceOptions options = options_for(path);
    std::unique_ptr<Source> source;

    explicit Log(const std::string& lines = "") { append(path, lines); }
    Source& open() {
        source = follow_file(LineFormat::suricata_eve, options, {}, {});
        return *source;
    }
};

TEST_CASE("an alert waits for file and mail of its flow, and carries both") {
    Log log(smtp_alert(max_flow));
    auto& source = log.open();
    CHECK(read_all(source, at_ms(0)).empty());
    CHECK(source.stats().held == 1);
    append(log.path, fileinfo(max_flow, "invoice.exe"));
    CHECK(read_all(source, at_ms(10)).empty());
    append(log.path, smtp_event(max_flow));
    const auto entries = read_all(source, at_ms(20));
    REQUIRE(entries.size() == 1);
    const auto d = detection_in(entries[0]);
    CHECK(d.function() == pb::FUNCTION_AV);
    CHECK(d.origin() == pb::ORIGIN_FILE_SENDER);
    CHECK(d.source_ip() == "198.51.100.25");
    CHECK(d.file_name() == "invoice.exe");
    CHECK(d.file_sha256() == sha);
    CHECK(d.mail_subject() == "Hello");
    CHECK(d.mail_date() == "Sat, 21 Nov 2026 10:00:00 +0900");
    CHECK(source.stats().joined == 1);
    CHECK(source.stats().held == 0);
}

TEST_CASE("the other order gives the same detection at once") {
    Log first(smtp_alert("7") + fileinfo("7", "a.exe") + smtp_event("7"));
    Log last(smtp_event("7") + fileinfo("7", "a.exe") + smtp_alert("7"));
    const auto a = read_all(first.open());
    const auto b = read_all(last.open());
    REQUIRE(a.size() == 1);
    REQUIRE(b.size() == 1);
    CHECK(a[0].payload == b[0].payload);
}

TEST_CASE("another flow or another transaction is not joined") {
    Log log(smtp_alert("7", "1") + smtp_event("8", "1") + smtp_event("7", "0", "of the mail before") +
            fileinfo("7", "a", "198.51.100.25", "40000", "0"));
    auto& source = log.open();
    CHECK(read_all(source, at_ms(0)).empty());
    append(log.path, smtp_event("7", "1", "of this mail") + fileinfo("7", "b.exe", "198.51.100.25", "40000", "1"));
    const auto entries = read_all(source, at_ms(0));
    REQUIRE(entries.size() == 1);
    CHECK(detection_in(entries[0]).mail_subject() == "of this mail");
    CHECK(detection_in(entries[0]).file_name() == "b.exe");
}

TEST_CASE("an smtp event without a mail ends the wait for one") {
    Log log(smtp_alert("7") + fileinfo("7", "a.exe") + smtp_event_without_mail("7"));
    const auto entries = read_all(log.open());
    REQUIRE(entries.size() == 1);
    CHECK(detection_in(entries[0]).mail_subject().empty());
}

TEST_CASE("a file that moved against the packet does not make its sender the source") {
    // The rule fired on the client's request; the server's answer is a file.
    Log log(R"({"event_type":"alert","flow_id":5,"src_ip":"192.168.1.5","src_port":50000,"dest_ip":"203.0.113.9",)"
            R"("dest_port":80,"app_proto":"http","http":{"hostname":"x.example","url":"/"},)"
            R"("alert":{"signature":"ET MALWARE Win32/Agent Install","category":"A Network Trojan was detected"}})"
            "\n" +
            fileinfo("5", "/", "203.0.113.9", "80"));
    const auto entries = read_all(log.open());
    REQUIRE(entries.size() == 1);
    const auto d = detection_in(entries[0]);
    CHECK(d.function() == pb::FUNCTION_IPS);
    CHECK(d.source_ip() == "192.168.1.5");
    CHECK(d.file_sha256() == sha);
    CHECK(entries[0].urgent);
}

TEST_CASE("the site is joined from the flow's http event") {
    const std::string alert =
        R"({"event_type":"alert","flow_id":5,"src_ip":"192.168.1.5","dest_ip":"203.0.113.9","app_proto":"http","alert":{"signature":"x"}})"
        "\n";
    const std::string http = R"({"event_type":"http","flow_id":5,"http":{"hostname":"a.example","url":"\/p"}})"
                             "\n";
    for (const auto& lines : {alert + http, http + alert}) {
        Log log(lines);
        const auto entries = read_all(log.open());
        REQUIRE(entries.size() == 1);
        CHECK(detection_in(entries[0]).url() == "http://a.example/p");
    }
}

TEST_CASE("an alert goes out with what is known when its time is over, not before") {
    Log log(smtp_alert("7"));
    auto& source = log.open();
    CHECK(read_all(source, at_ms(0)).empty());
    CHECK(read_all(source, at_ms(1999)).empty());
    const auto entries = read_all(source, at_ms(2000));
    REQUIRE(entries.size() == 1);
    CHECK(detection_in(entries[0]).threat_name() == "EICAR in mail");
    CHECK(source.stats().join_expired == 1);
    CHECK(source.stats().joined == 0);
}

TEST_CASE("entries keep the order of their lines, and the checkpoint stays before the one that waits") {
    Log log(plain_alert("first"));
    auto& source = log.open();
    CHECK(names_of(read_all(source)) == std::vector<std::string>{"first"});
    CHECK(source.checkpoint()->offset == plain_alert("first").size());
    append(log.path, smtp_alert("7", "0", "waits") + plain_alert("behind"));
    CHECK(read_all(source).empty());
    CHECK(source.checkpoint()->offset == plain_alert("first").size());
    append(log.path, smtp_event_without_mail("7") + fileinfo("7", "a"));
    CHECK(names_of(read_all(source)) == std::vector<std::string>{"waits", "behind"});
    CHECK(source.checkpoint()->offset == std::filesystem::file_size(log.path));
}

TEST_CASE("the number of alerts that wait is bounded") {
    Log log;
    log.options.max_held = 4;
    auto& source = log.open();
    for (int i = 0; i < 10; ++i) {
        append(log.path, smtp_alert(std::to_string(i)));
        read_all(source);
        CHECK(source.stats().held <= 4);
    }
    CHECK(source.stats().join_expired == 6);
}

TEST_CASE("the queue behind an alert that waits is bounded in entries and bytes") {
    Log log;
    log.options.max_queued = 10;
    append(log.path, smtp_alert("7"));
    for (int i = 0; i < 9; ++i) {
        append(log.path, plain_alert("x"));
    }
    auto& source = log.open();
    CHECK(read_all(source).empty());
    append(log.path, plain_alert("one too many"));
    CHECK(read_all(source).size() == 11);

    Log heavy;
    heavy.options.max_queued_bytes = 6'000;
    append(heavy.path, smtp_alert("7") + plain_alert(std::string(6'000, 'x')));
    CHECK(read_all(heavy.open()).size() == 2);
}

TEST_CASE("at an orderly stop everything that waits goes out") {
    Log log(smtp_alert("7") + plain_alert("behind"));
    auto& source = log.open();
    CHECK(read_all(source).empty());
    std::vector<Produced> out;
    source.release_held(out);
    CHECK(out.size() == 2);
    CHECK(source.stats().held == 0);
}

TEST_CASE("after a restart the facts before the checkpoint are known again") {
    Log log(smtp_event("7") + fileinfo("7", "a.exe") + plain_alert("between"));
    auto& source = log.open();
    CHECK(read_all(source).size() == 1);
    const auto mark = source.checkpoint();
    append(log.path, smtp_alert("7"));
    auto again = follow_file(LineFormat::suricata_eve, log.options, mark, {});
    const auto entries = read_all(*again);
    REQUIRE(entries.size() == 1);
    CHECK(detection_in(entries[0]).mail_subject() == "Hello");
    CHECK(detection_in(entries[0]).file_name() == "a.exe");
}

TEST_CASE("events of no interest are counted, not rejected") {
    std::string lines;
    for (const auto* type : {"anomaly", "flow", "stats", "drop", "dns", "tls", "ssh", "netflow", "brand_new"}) {
        lines += R"({"event_type":")" + std::string(type) + "\",\"flow_id\":1}\n";
    }
    Log log(lines);
    auto& source = log.open();
    CHECK(read_all(source).empty());
    CHECK(source.stats().skipped == 9);
    CHECK(source.stats().rejected == 0);
}

}  // namespace
}  // namespace mimamori::agent::sources
