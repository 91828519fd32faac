// Whole mails, as a customer reads them: compared with reviewed texts in tests/data/mails. To review a change of wording, set
// MIMAMORI_WRITE_GOLDEN=1, run, and read the difference.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "adapters/mail_texts_yaml/load.h"
#include "domain/iso_2022_jp.h"
#include "notifier/render.h"

using namespace mimamori;
using domain::ActionNeeded;
using domain::Language;
using domain::MailItemFacts;

namespace {

std::string read_file(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

const domain::MailTemplates& templates() {
    static const auto loaded = [] {
        auto result = adapters::mail_texts_yaml::load(read_file(MIMAMORI_SOURCE_DIR "/packs/mail-texts-2026.yaml"));
        if (!result) {
            throw std::runtime_error{result.error().what};
        }
        return *result;
    }();
    return loaded;
}

void check_golden(const std::string& name, const notifier::MailText& mail) {
    const std::string path = MIMAMORI_SOURCE_DIR "/tests/data/mails/" + name;
    const auto text = "Subject: " + mail.subject + "\n\n" + mail.plain;
    if (std::getenv("MIMAMORI_WRITE_GOLDEN") != nullptr) {
        std::ofstream{path + ".txt", std::ios::binary} << text;
        std::ofstream{path + ".html", std::ios::binary} << mail.html;
    }
    CHECK(text == read_file(path + ".txt"));
    CHECK(mail.html == read_file(path + ".html"));
}

MailItemFacts remote_control() {
    MailItemFacts item;
    item.observed_at = item.first_observed_at = item.last_observed_at = *base::parse_timestamp("2026-04-08T10:39:40+09:00");
    item.alert_id = "1775611821-0412";
    item.class_id = "remote_control";
    item.function = domain::Function::ips;
    item.direction = domain::Direction::outbound_malicious;
    item.action = domain::Action::blocked;
    item.name = "JSIG-RAT GHOST-Activity-9";
    item.source_ip = "192.0.2.23";
    item.destination_ip = "203.0.113.45";
    item.source_port = 49731;
    item.destination_port = 443;
    item.lan_mac = item.device_key = "00-00-5E-00-53-17";
    item.device_name = "経理のパソコン";
    item.utm_id = "0000000000";
    item.action_needed = ActionNeeded::needed;
    item.text = {.title = "ウイルス感染の疑い",
                 .summary = "ウイルスに感染している可能性が高い機器があります。",
                 .explanation = "マルウェア（悪意のあるプログラム）への感染の疑いがある通信です。",
                 .risk = "悪意あるプログラムによる情報の窃取、改ざん、破壊、端末の遠隔操作など",
                 .steps = {"ウイルス対策ソフトを最新の状態に更新してください。",
                           "LANケーブルを抜き、Wi-Fiも切ってから、フルスキャン（全体の検査）をしてください。",
                           "見つかった場合も見つからなかった場合も、結果を相談窓口にお知らせください。"},
                 .further_steps = {"問題ないことが確認できたら、ネットワークに再接続してください。"},
                 .line = 0};
    return item;
}

MailItemFacts mail_attachment() {
    MailItemFacts item = remote_control();
    item.alert_id = "1775624462-0073";
    item.class_id = "malware_received";
    item.function = domain::Function::av;
    item.direction = domain::Direction::inbound_attack;
    item.action = domain::Action::rewritten;
    item.name = "Trojan.MSOffice.SAgent.4";
    item.lan_mac = item.device_key = "00-00-5E-00-53-21";
    item.device_name = "";
    item.action_needed = ActionNeeded::none;
    item.text = {.title = "ウイルス付きメールの無害化",
                 .summary = "届いたメールのウイルスを無害にしました。",
                 .explanation = "届いたメールの添付ファイルにウイルスが含まれていました。",
                 .risk = "書き換え済みのため、感染する可能性は低いと考えられます。",
                 .steps = {"対応は必要ありません。心当たりのないメールは削除してください。"},
                 .further_steps = {},
                 .line = 0};
    return item;
}

const domain::DeskFacts desk_en{"Cyber Otasuketai",          "Monitoring Centre", "0120-000-000",
                                "weekdays 9:00 to 18:00",    "desk@example.com",  "any time",
                                "https://portal.example.com"};

domain::MailFrame frame_ja() {
    const auto start = *base::parse_timestamp("2026-04-08T10:00:00+09:00");
    return {.customer_name = "株式会社みほん製作所",
            .contact_name = "",
            .window_start = start,
            .window_end = start + std::chrono::hours{1},
            .desk = {"サイバーお助け隊", "監視センター", "0120-000-000", "平日9時から18時、土日祝日はお休み",
                     "desk@example.com", "受付は24時間", "https://portal.example.com"}};
}

domain::DigestFacts digest(domain::Severity severity, std::vector<MailItemFacts> items) {
    return {.frame = frame_ja(), .severity = severity, .insurance = {150'000, 2, true}, .items = std::move(items)};
}

notifier::MailText rendered(const domain::DigestFacts& facts, Language language = Language::ja) {
    auto mail = notifier::render_digest(templates(), facts, language);
    REQUIRE(mail);
    return *mail;
}

}  // namespace

TEST_CASE("a three-star mail says first that action is needed, then which device and at most three steps") {
    const auto mail = rendered(digest(domain::Severity::three_stars, {remote_control()}));
    CHECK(mail.subject == "【サイバーお助け隊】★★★（高）対応をお願いします：ウイルス感染の疑い（4月8日10時台）");
    CHECK(mail.plain.rfind("【対応が必要です】ウイルスに感染している可能性が高い機器があります。\n", 0) == 0);
    CHECK(mail.plain.find("UTM（お貸ししている防御装置）が不審な通信を検知したため通信をブロックしました。") != std::string::npos);
    CHECK(mail.plain.find("1回15万円相当まで、年2回まで") != std::string::npos);
    CHECK(domain::is_iso_2022_jp_safe(mail.plain));
    check_golden("three_stars_ja", mail);
}

TEST_CASE("the insurance line follows the terms in force") {
    auto facts = digest(domain::Severity::three_stars, {remote_control()});
    facts.insurance = {50'000, 1, false};
    const auto mail = rendered(facts);
    CHECK(mail.plain.find("（訪問）は、1回5万円相当まで、年1回まで") != std::string::npos);
    CHECK(mail.plain.find("または遠隔") == std::string::npos);
}

TEST_CASE("two stars promise no insurance and one star says that it does not apply") {
    CHECK(rendered(digest(domain::Severity::two_stars, {remote_control()})).plain.find("年2回まで") == std::string::npos);
    CHECK(rendered(digest(domain::Severity::one_star, {mail_attachment()})).plain.find("対象ではありません") != std::string::npos);
}

TEST_CASE("a digest of several puts what needs action first and names each device") {
    auto continuing = remote_control();
    continuing.kind = MailItemFacts::Kind::continues;
    continuing.detections = 7;
    continuing.alert_id = "1775611821-0413";
    continuing.device_key = "00-00-5E-00-53-3A";
    const auto mail = rendered(digest(domain::Severity::one_star, {mail_attachment(), remote_control(), continuing}));
    CHECK(mail.subject == "【サイバーお助け隊】★☆☆（低）対応をお願いします：3件のお知らせ（4月8日10時台）");
    CHECK(mail.plain.find("1775611821-0412") < mail.plain.find("1775624462-0073"));
    CHECK(mail.plain.find("前にお知らせした内容が続いています（この時間帯に7回）") != std::string::npos);
    check_golden("several_ja", mail);
}

TEST_CASE("a mail of many items is bounded and counts the rest") {
    std::vector<MailItemFacts> items(domain::most_items_in_a_mail + 5, mail_attachment());
    for (std::size_t i = 0; i < items.size(); ++i) {
        items[i].alert_id = "1775624462-" + std::to_string(1000 + i);
    }
    const auto mail = rendered(digest(domain::Severity::one_star, items));
    CHECK(mail.plain.find("このほかに5件あります") != std::string::npos);
    CHECK(mail.plain.find("[20件目]") != std::string::npos);
    CHECK(mail.plain.find("[21件目]") == std::string::npos);
}

TEST_CASE("English is the second language of every mail") {
    auto item = remote_control();
    item.text = {.title = "a device may be infected",
                 .summary = "A device is probably infected with malware.",
                 .explanation = "Traffic as malware under remote control makes it.",
                 .risk = "Theft, change or destruction of data, remote control of the device.",
                 .steps = {"Update the anti-virus software.", "Unplug the LAN cable, turn Wi-Fi off, then run a full scan.",
                           "Tell the help desk what came of it."},
                 .further_steps = {"Reconnect the device when it is clean."},
                 .line = 0};
    auto facts = digest(domain::Severity::three_stars, {item});
    facts.frame.desk = desk_en;
    const auto mail = rendered(facts, Language::en);
    CHECK(mail.subject == "[Cyber Otasuketai] ★★★ (high) Please act: a device may be infected (8 April, 10:00 to 11:00)");
    check_golden("three_stars_en", mail);
}

TEST_CASE("what an attacker wrote cannot become a header, a line of its own, a tag or a link") {
    auto item = remote_control();
    item.name = "x\r\nBcc: all@example.com <script>alert(1)</script>";
    item.device_name = "<img src=x onerror=y>\nCall 0120-999-999";
    item.source_ip = "192.0.2.23\u2028\u202ePay here";
    const auto mail = rendered(digest(domain::Severity::three_stars, {item}));
    CHECK(mail.subject.find('\n') == std::string::npos);
    CHECK(mail.plain.find("\nBcc:") == std::string::npos);
    CHECK(mail.plain.find("\nCall") == std::string::npos);
    for (const auto* text : {&mail.plain, &mail.html}) {
        CHECK(text->find("\u2028") == std::string::npos);
        CHECK(text->find("\u202e") == std::string::npos);
    }
    CHECK(mail.html.find("<script>") == std::string::npos);
    CHECK(mail.html.find("<img") == std::string::npos);
    auto site = remote_control();
    site.function = domain::Function::wg;
    site.name = "http://infopicked.com/x";
    CHECK(rendered(digest(domain::Severity::two_stars, {site})).plain.find("http://infopicked") == std::string::npos);
}

namespace {

domain::LossItem lost(std::int64_t entries) {
    return {.utm_id = "0000000000",
            .site_name = "本社",
            .entries = entries,
            .oldest = base::parse_timestamp("2026-04-08T09:12:05+09:00"),
            .newest = base::parse_timestamp("2026-04-08T10:39:40+09:00")};
}

notifier::MailText rendered_losses(std::vector<domain::LossItem> items, Language language = Language::ja) {
    auto frame = frame_ja();
    if (language == Language::en) {
        frame.desk = desk_en;
    }
    auto mail = notifier::render_losses(templates(), {frame, std::move(items)}, language);
    REQUIRE(mail);
    return *mail;
}

}  // namespace

TEST_CASE("a mail about lost records says how many and of when, and that nothing need be done") {
    const auto mail = rendered_losses({lost(1250)});
    CHECK(mail.subject ==
          "【サイバーお助け隊】対応は不要です：検知の記録の一部を保存できませんでした（4月8日10時台のお知らせ）");
    CHECK(mail.plain.rfind("【対応は不要です】検知の記録のうち、1,250件を保存できませんでした。\n", 0) == 0);
    CHECK(mail.plain.find("お客様にしていただくことはありません。") != std::string::npos);
    CHECK(domain::is_iso_2022_jp_safe(mail.plain));
    check_golden("losses_ja", mail);
}

TEST_CASE("lost records of the urgent kind ask for a full scan; each appliance is named") {
    auto urgent = lost(12);
    urgent.urgent = 3;
    auto forked = lost(2);
    forked.utm_id = "0000000001";
    forked.site_name = "工場";
    forked.at_least = forked.times_incomplete = true;
    auto unknown = forked;
    unknown.entries = 0;
    unknown.oldest = unknown.newest = std::nullopt;
    auto blocks = lost(40);
    blocks.blocks = true;
    const auto mail = rendered_losses({urgent, forked, unknown, blocks});
    CHECK(mail.plain.rfind("【念のため確認をお願いします】検知の記録のうち、少なくとも14件を保存できませんでした。\n",
                           0) == 0);
    CHECK(mail.plain.find("このうち3件は") != std::string::npos);
    CHECK(mail.plain.find("お客様にしていただくことはありません") == std::string::npos);
    check_golden("losses_urgent_ja", mail);
    check_golden("losses_urgent_en", rendered_losses({urgent, forked, unknown, blocks}, Language::en));
}

TEST_CASE("lost counts of blocks are no lost detections") {
    auto blocks = lost(40);
    blocks.blocks = true;
    const auto mail = rendered_losses({blocks});
    CHECK(mail.plain.find("検知の記録") == std::string::npos);
    CHECK(mail.plain.find("サイトへの接続を止めた回数の記録のうち、40件を") != std::string::npos);
    CHECK(mail.plain.find("検知のお知らせには影響ありません") != std::string::npos);
}

TEST_CASE("where nobody knows how many records were lost, no number stands") {
    auto unknown = lost(0);
    unknown.at_least = true;
    const auto mail = rendered_losses({unknown});
    CHECK(mail.plain.rfind("【対応は不要です】検知の記録のうち、一部を保存できませんでした。\n", 0) == 0);
    CHECK(mail.plain.find("（件数は分かりません）") != std::string::npos);
    CHECK(rendered_losses(std::vector<domain::LossItem>(domain::most_items_in_a_mail + 7, lost(1)))
              .plain.find("このほかに7件あります") != std::string::npos);
}
