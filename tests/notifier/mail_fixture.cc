#include "notifier/mail_fixture.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "adapters/mail_texts_yaml/load.h"
#include "adapters/mime/message.h"
#include "adapters/pack_yaml/pack_yaml.h"
#include "adapters/pack_yaml/wording.h"

namespace mimamori::tests {

using domain::Language;

namespace {

std::string read_file(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

template <class Result>
auto value_of(Result result, const char* what) {
    if (!result) {
        throw std::runtime_error{std::string{what} + " cannot be read"};
    }
    return *std::move(result);
}

void write_bytes(const std::string& name, const notifier::MailText& mail) {
    const auto bytes = adapters::mime::render({.from_name = "サイバーお助け隊",
                                               .from_address = "soc@otasuke.example",
                                               .to_name = "店主",
                                               .to_address = "owner@mihon.example",
                                               .reply_to = "desk@example.com",
                                               .subject = mail.subject,
                                               .message_id = name + "@otasuke.example",
                                               .date = *base::parse_timestamp("2026-04-08T11:00:00+09:00"),
                                               .plain = mail.plain,
                                               .html = mail.html,
                                               .headers = {{"Auto-Submitted", "auto-generated"}}});
    REQUIRE(bytes);
    std::filesystem::create_directories(MIMAMORI_MAIL_BYTES);
    std::ofstream{MIMAMORI_MAIL_BYTES "/" + name + ".eml", std::ios::binary} << *bytes;
}

}  // namespace

const domain::MailTemplates& templates() {
    static const auto loaded =
        value_of(adapters::mail_texts_yaml::load(read_file(MIMAMORI_SOURCE_DIR "/packs/mail-texts-2026.yaml")),
                 "the mail texts");
    return loaded;
}

const domain::Wording& wording() {
    static const auto loaded = value_of(
        adapters::pack_yaml::read_wording(read_file(MIMAMORI_SOURCE_DIR "/packs/wording.yaml")), "the wording");
    return loaded;
}

const domain::SignatureClass& shipped_class(std::string_view id) {
    static const auto pack =
        value_of(adapters::pack_yaml::read_rule_pack(read_file(MIMAMORI_SOURCE_DIR "/packs/mimamori-2020.yaml")),
                 "the rule pack");
    const auto* found = pack.class_named(id);
    if (found == nullptr) {
        throw std::runtime_error{"the rule pack has no class " + std::string{id}};
    }
    return *found;
}

domain::MailFrame frame(Language language) {
    const auto start = *base::parse_timestamp("2026-04-08T10:00:00+09:00");
    domain::DeskFacts ja{"サイバーお助け隊",
                         "監視センター",
                         "0120-000-000",
                         "平日9時から18時、土日祝日はお休み",
                         "desk@example.com",
                         "受付は24時間",
                         "https://portal.example.com"};
    domain::DeskFacts en{"Cyber Otasuketai",
                         "Monitoring Centre",
                         "0120-000-000",
                         "weekdays 9:00 to 18:00, closed on holidays",
                         "desk@example.com",
                         "any time",
                         "https://portal.example.com"};
    return {.customer_name = "株式会社みほん製作所",
            .contact_name = "",
            .window_start = start,
            .window_end = start + std::chrono::hours{1},
            .desk = language == Language::ja ? ja : en};
}

domain::MailItemFacts item(std::string_view class_id, int device, Language language) {
    const auto& c = shipped_class(class_id);
    const auto number = std::to_string(device);
    domain::MailItemFacts out;
    out.observed_at = out.first_observed_at = out.last_observed_at =
        *base::parse_timestamp("2026-04-08T10:05:00+09:00") + std::chrono::seconds{device};
    out.alert_id = "1775611821-" + std::string(number.size() < 4 ? 4 - number.size() : 0, '0') + number;
    out.class_id = c.id;
    out.function = domain::Function::ips;
    out.direction = domain::Direction::outbound_malicious;
    out.action = domain::Action::blocked;
    out.name = "JSIG-RAT GHOST-Activity-9";
    const auto device_ip = "192.0.2." + std::to_string(1 + (device - 1) % 250);
    out.source_ip = device_ip;
    out.destination_ip = "203.0.113.45";
    out.source_port = 49731;
    out.destination_port = 443;
    out.device_key = "device " + number;
    out.lan_mac = fmt::format("00-00-5E-00-53-{:02X}", device % 256);
    out.device_name = device == 1 ? (language == Language::ja ? "経理のパソコン" : "Accounting PC") : "";
    out.utm_id = "0000000000";
    out.action_needed = c.action_needed;
    out.text = language == Language::ja ? c.ja : c.en;
    if (class_id == "virus_received") {
        out.function = domain::Function::av;
        out.direction = domain::Direction::inbound_attack;
        out.action = domain::Action::rewritten;
        out.name = "Trojan.MSOffice.SAgent.4";
        out.source_ip = "198.51.100.7";
        out.destination_ip = device_ip;
        out.source_port = 110;
        out.destination_port = 50122;
    } else if (class_id == "weak_password") {
        out.direction = domain::Direction::internal_weakness;
        out.name = "HTTP Basic Auth Default Password Login attempt (admin)-2";
        out.destination_ip = "192.0.2.254";
        out.destination_port = 80;
    } else if (class_id == "dangerous_site" || class_id == "advert_redirect") {
        out.function = domain::Function::wg;
        out.name = "http://infopicked.com/aS/feedclick";
    }
    return out;
}

domain::DigestFacts digest(domain::Severity severity, std::vector<domain::MailItemFacts> items, Language language) {
    return {.frame = frame(language), .severity = severity, .insurance = {150'000, 2, true}, .items = std::move(items)};
}

notifier::MailText rendered(const domain::DigestFacts& facts, Language language) {
    auto mail = notifier::render_digest(templates(), facts, language);
    if (!mail) {
        FAIL(mail.error().what);
    }
    return *mail;
}

void check_golden(const std::string& name, const notifier::MailText& mail, Language language) {
    INFO(name);
    std::string told;
    for (const auto& defect : domain::check_mail_wording(mail.plain, language, wording())) {
        told += domain::to_text(defect) + "\n";
    }
    CHECK(told == "");
    CHECK(mail.plain.rfind(language == Language::ja ? "【" : "[", 0) == 0);
    std::istringstream lines{mail.plain};
    for (std::string line, before; std::getline(lines, line); before = line) {
        CHECK(line.size() <= 400);            // a telephone wraps it; nothing else has to
        CHECK_FALSE(before.ends_with("、"));  // no sentence goes on in the next line
    }
    write_bytes(name, mail);
    const std::string path = MIMAMORI_SOURCE_DIR "/tests/data/mails/" + name;
    const auto text = "Subject: " + mail.subject + "\n\n" + mail.plain;
    if (std::getenv("MIMAMORI_WRITE_GOLDEN") != nullptr) {
        std::ofstream{path + ".txt", std::ios::binary} << text;
        std::ofstream{path + ".html", std::ios::binary} << mail.html;
    }
    CHECK(text == read_file(path + ".txt"));
    CHECK(mail.html == read_file(path + ".html"));
}

}  // namespace mimamori::tests
