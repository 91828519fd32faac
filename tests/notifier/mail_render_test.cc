// Whole mails about findings, as a customer reads them (mail_fixture.h).
#include <catch2/catch.hpp>

#include "notifier/mail_fixture.h"

namespace mimamori::tests {
namespace {

using domain::Language;
using domain::MailItemFacts;
using domain::Severity;

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}
std::size_t count_of(std::string_view text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) {
        ++count;
    }
    return count;
}

MailItemFacts continuing(MailItemFacts of, std::int64_t detections) {
    of.kind = MailItemFacts::Kind::continues;
    of.detections = detections;
    return of;
}

}  // namespace

TEST_CASE("a three-star mail says first that action is needed, then which device and at most three steps") {
    const auto mail = rendered(digest(Severity::three_stars, {item("remote_control")}));
    CHECK(mail.subject == "【サイバーお助け隊】★★★（高）対応をお願いします：ウイルス感染の疑い（4月8日10時台）");
    CHECK(mail.plain.rfind("【対応が必要です】ウイルスに感染している可能性が高い機器があります。\n", 0) == 0);
    const char* in_order[] = {"【対応が必要です】",
                              "UTM（お貸ししている防御装置）が不審な通信を検知したため通信をブロックしました。",
                              "対象の機器：経理のパソコン",
                              "\n1. ",
                              "\n3. ",
                              "相談窓口の電話：",
                              "費用：",
                              "状況の確認：",
                              "本物かどうかの確認：",
                              "UTM名：",
                              "UTM ID：",
                              "説明：",
                              "重要度：",
                              "リスク：",
                              "対処：",
                              "アラート種別：",
                              "アラートID：",
                              "検知日時：",
                              "送信元IPアドレス：",
                              "送信先IPアドレス：",
                              "送信元ポート：",
                              "送信先ポート：",
                              "対象機器のMACアドレス："};
    std::size_t at = 0;
    for (const auto* part : in_order) {
        INFO(part);
        at = mail.plain.find(part, at);
        REQUIRE(at != std::string::npos);
    }
    CHECK(holds(mail.plain, "1回15万円相当まで、年2回まで"));
    check_golden("three_stars_ja", mail);
    check_golden(
        "three_stars_en",
        rendered(digest(Severity::three_stars, {item("remote_control", 1, Language::en)}, Language::en), Language::en),
        Language::en);
}

TEST_CASE("ransomware's mail says first to unplug and to leave the power on") {
    const auto mail = rendered(digest(Severity::three_stars, {item("ransomware")}));
    CHECK(holds(mail.plain, "\n1. すぐにLANケーブルを抜き、Wi-Fiも切ってください。電源は切らず"));
    check_golden("ransomware_ja", mail);
}

TEST_CASE("the cost follows the terms in force, and stars decide what of them is said") {
    auto facts = digest(Severity::three_stars, {item("remote_control")});
    facts.insurance = {50'000, 1, false};
    const auto mail = rendered(facts);
    CHECK(holds(mail.plain, "（訪問）は、1回5万円相当まで、年1回まで"));
    CHECK_FALSE(holds(mail.plain, "または遠隔"));
    const auto english = rendered(facts, Language::en).plain;
    CHECK(holds(english, "(on site) is covered by insurance, up to 50,000 yen each time, once a year."));
    CHECK_FALSE(holds(rendered(digest(Severity::two_stars, {item("malware_traffic")})).plain, "年2回まで"));
    CHECK(holds(rendered(digest(Severity::one_star, {item("virus_received")})).plain, "対象ではありません"));
}

TEST_CASE("two stars and one star have mails of their own") {
    check_golden("two_stars_ja", rendered(digest(Severity::two_stars, {item("dangerous_site", 2)})));
    check_golden(
        "two_stars_en",
        rendered(digest(Severity::two_stars, {item("malware_traffic", 1, Language::en)}, Language::en), Language::en),
        Language::en);
    const auto one = rendered(digest(Severity::one_star, {item("virus_received", 2)}));
    CHECK(one.subject == "【サイバーお助け隊】★☆☆（低）対応は不要です：届いたファイルのウイルス（4月8日10時台）");
    CHECK(holds(one.plain, "お客様の対応：必要ありません。"));
    check_golden("one_star_ja", one);
}

TEST_CASE("news of what was told before says so, and what to do if it does not end") {
    const auto mail = rendered(digest(Severity::three_stars, {continuing(item("remote_control"), 7)}));
    CHECK(mail.subject == "【サイバーお助け隊】★★★（高）対応をお願いします：続報 ウイルス感染の疑い（4月8日10時台）");
    CHECK(holds(mail.plain, "前にお知らせした検知が、この時間帯にも7回ありました。"));
    CHECK(holds(mail.plain, "次の手順を終えた後も続いている場合は、相談窓口にお電話ください。"));
    check_golden("continues_ja", mail);
    const auto english =
        rendered(digest(Severity::three_stars, {continuing(item("remote_control", 1, Language::en), 1)}, Language::en),
                 Language::en);
    CHECK(holds(english.plain, "was seen 1 more time in this period."));
    CHECK(holds(rendered(digest(Severity::one_star, {continuing(item("virus_received"), 3)})).plain,
                "3回ありました。\n\n"));
}

TEST_CASE("a digest of several groups by kind, worst first, and tells each device and finding") {
    const auto mail = rendered(digest(Severity::one_star, {item("virus_received", 2), item("weak_password", 1),
                                                           continuing(item("suspicious_outbound", 3), 7),
                                                           item("virus_received", 4), item("weak_password", 5)}));
    CHECK(mail.subject ==
          "【サイバーお助け隊】★☆☆（低）急ぎの対応は不要です：弱いパスワードの使用など5件（4月8日10時台）");
    CHECK(mail.plain.rfind(
              "【急ぎの対応は不要です】「弱いパスワードの使用」など、5件の検知がありました（機器5台）。このうち3件は、",
              0) == 0);
    CHECK(mail.plain.find("[1] 弱いパスワードの使用（2件）") < mail.plain.find("[2] 注意が必要な通信（1件）"));
    CHECK(mail.plain.find("[2] 注意が必要な通信（1件）") < mail.plain.find("[3] 届いたファイルのウイルス（2件）"));
    CHECK(holds(mail.plain, "対象の機器：経理のパソコン、お名前の登録がない機器1台（IPアドレスは下の"));
    CHECK(count_of(mail.plain, "アラートID：") == 5);
    check_golden("several_ja", mail);
    check_golden("several_en",
                 rendered(digest(Severity::one_star,
                                 {item("virus_received", 2, Language::en), item("weak_password", 1, Language::en),
                                  continuing(item("suspicious_outbound", 3, Language::en), 7)},
                                 Language::en),
                          Language::en),
                 Language::en);
}

TEST_CASE("several of three stars are of one kind or not, and what to do when unsure stands after the steps") {
    const auto mail = rendered(digest(Severity::three_stars, {item("remote_control", 1), item("remote_control", 2)}));
    CHECK(mail.subject == "【サイバーお助け隊】★★★（高）対応をお願いします：ウイルス感染の疑い 2件（4月8日10時台）");
    CHECK(mail.plain.find("\n　3. ") < mail.plain.find("操作に迷われたときは"));
    check_golden("several_three_stars_ja", mail);
}

TEST_CASE("a digest of a thousand findings stays short, shows every kind, and leaves the rest to the portal") {
    const char* kinds[] = {"virus_received", "weak_password", "suspicious_outbound", "outbound_attack",
                           "phishing_site"};
    for (const auto language : {Language::ja, Language::en}) {
        std::vector<MailItemFacts> items;
        for (int i = 0; i < 1'000; ++i) {
            items.push_back(item(kinds[i % 20 < 16 ? 0 : i % 20 - 15], i + 1, language));
            items.back().device_name = i % 3 == 0 ? std::string(500, 'x') : "";
            items.back().name = std::string(5'000, 'y');
        }
        const auto mail = rendered(digest(Severity::one_star, items, language), language);
        CHECK(mail.plain.size() < 32'000);
        CHECK(mail.html.size() < 64'000);
        for (const auto* kind : kinds) {
            CHECK(holds(mail.plain, items.front().text.title));
            CHECK(holds(mail.plain,
                        language == Language::ja ? shipped_class(kind).ja.title : shipped_class(kind).en.title));
        }
        CHECK(count_of(mail.plain, language == Language::ja ? "アラートID：" : "Alert ID:") ==
              domain::most_items_in_a_mail);
        CHECK(holds(mail.plain, language == Language::ja ? "この種類の記録は、ほかに796件あります。"
                                                         : "There are 796 more of this kind"));
    }
    std::vector<MailItemFacts> many;
    for (int i = 0; i < 1'000; ++i) {
        many.push_back(item(kinds[i % 20 < 16 ? 0 : i % 20 - 15], i + 1));
    }
    check_golden("thousand_ja", rendered(digest(Severity::one_star, many)));
}

TEST_CASE("a mail of more kinds than it shows says how many are left") {
    std::vector<MailItemFacts> items;
    for (int i = 0; i < 25; ++i) {
        items.push_back(item("suspicious_outbound", i + 1));
        items.back().class_id += std::to_string(i);
    }
    const auto mail = rendered(digest(Severity::one_star, items));
    CHECK(holds(mail.plain, "このほかの種類の検知が5件あります。"));
    CHECK(count_of(mail.plain, "アラートID：") == domain::most_items_in_a_mail);
}

TEST_CASE("what was not blocked is not called blocked") {
    auto logged = item("malware_traffic");
    logged.action = domain::Action::logged;
    const auto single = rendered(digest(Severity::two_stars, {logged})).plain;
    CHECK(holds(single, "この通信は止めていません。"));
    CHECK_FALSE(holds(single, "ブロックしました"));
    const auto several = rendered(digest(Severity::two_stars, {logged, item("malware_traffic", 2)})).plain;
    CHECK(holds(several, "止めていない通信もあります。"));
    CHECK_FALSE(holds(several, "ブロックしました"));
}

TEST_CASE("a virus that was let through is not called nothing to do") {
    auto passed = item("virus_received", 2);
    passed.action = domain::Action::logged;
    const auto single = rendered(digest(Severity::one_star, {passed}));
    CHECK(single.subject ==
          "【サイバーお助け隊】★☆☆（低）確認をお願いします：届いたファイルのウイルス（4月8日10時台）");
    CHECK(single.plain.rfind("【確認をお願いします】「届いたファイルのウイルス」を検知しましたが、止めていません。\n",
                             0) == 0);
    const auto several = rendered(digest(Severity::one_star, {passed, item("virus_received", 3)}));
    const auto english = item("virus_received", 2, Language::en);
    auto passed_en = english;
    passed_en.action = domain::Action::logged;
    const auto single_en = rendered(digest(Severity::one_star, {passed_en}, Language::en), Language::en);
    const auto several_en = rendered(digest(Severity::one_star, {passed_en, english}, Language::en), Language::en);
    for (const auto* mail : {&single, &several, &single_en, &several_en}) {
        for (const auto* text : {&mail->subject, &mail->plain, &mail->html}) {
            for (const auto* word : {"不要", "必要ありません", "No action", "Nothing"}) {
                CHECK_FALSE(holds(*text, word));
            }
        }
        const char* asked =
            mail->plain.front() == '[' ? "Please do not open the email or file" : "開かずに、相談窓口に";
        CHECK(holds(mail->plain, asked));
        CHECK(holds(mail->html, asked));
    }
    // Among others it comes first and decides what the whole mail says.
    const auto mixed =
        rendered(digest(Severity::one_star, {item("weak_password", 1), item("weak_password", 4), passed}));
    CHECK(holds(mixed.subject, "確認をお願いします：届いたファイルのウイルスなど3件"));
    CHECK(holds(mixed.plain, "\n　届いたメールやファイルは開かずに、相談窓口にお知らせください。すでに開いた場合は"));
    CHECK(mixed.plain.find("[1] 届いたファイルのウイルス") < mixed.plain.find("[2] 弱いパスワードの使用"));
    check_golden("let_through_ja", single);
    check_golden("let_through_en", single_en, Language::en);
}

TEST_CASE("where the device is not known, no address is called its own") {
    auto unclear = item("unclear_traffic", 2);
    unclear.direction = domain::Direction::unknown;
    unclear.device_key = "unknown";
    unclear.lan_mac = "";
    unclear.source_ip = "203.0.113.9";
    const auto mail = rendered(digest(Severity::one_star, {unclear}));
    CHECK(holds(mail.plain, "対象の機器：特定できていません\nお手すき"));
    check_golden("unclear_ja", mail);
}

TEST_CASE("English counts one and many") {
    const auto mail = [](std::vector<MailItemFacts> items) {
        return rendered(digest(Severity::two_stars, std::move(items), Language::en), Language::en).plain;
    };
    const auto en = Language::en;
    CHECK(mail({item("malware_traffic", 1, en), continuing(item("malware_traffic", 1, en), 2)})
              .rfind("[Action needed] 2 detections on 1 device: ", 0) == 0);
    CHECK(holds(mail({item("malware_traffic", 1, en), item("malware_traffic", 2, en)}), "2 detections on 2 devices: "));
    CHECK(
        holds(mail({item("malware_traffic", 2, en), item("malware_traffic", 3, en)}), "On: 2 devices without a name"));
    CHECK(holds(mail({item("malware_traffic", 1, en), item("suspicious_outbound", 1, en)}), "1 of them needs action."));
    CHECK(holds(mail({item("malware_traffic", 1, en), item("suspicious_outbound", 1, en)}), " (1 detection)\n"));
}

TEST_CASE("what an attacker wrote cannot become a header, a tag, a link or a second line") {
    auto bad = item("remote_control");
    bad.name =
        "x\r\nBcc: all@example.com <script>alert(1)</script> \u202E https://evil.example/" + std::string(5'000, 'z');
    bad.device_name = "<img src=x onerror=y>\n【対応は不要です】";
    bad.source_ip = "192.0.2.23\u2028\u202ePay here";
    for (const auto& items : {std::vector{bad}, std::vector{bad, item("malware_traffic", 2)}}) {
        const auto mail = rendered(digest(Severity::three_stars, items));
        CHECK_FALSE(holds(mail.subject, "\n"));
        CHECK_FALSE(holds(mail.html, "<script>"));
        CHECK_FALSE(holds(mail.html, "<img"));
        CHECK_FALSE(holds(mail.plain, "https://evil"));
        for (const auto* text : {&mail.plain, &mail.html}) {
            CHECK_FALSE(holds(*text, "\u202E"));
            CHECK_FALSE(holds(*text, "\u2028"));
        }
        CHECK_FALSE(holds(mail.plain, "\n【対応は不要です】"));
        CHECK_FALSE(holds(mail.plain, std::string(domain::longest_name, 'z')));
    }
    auto site = item("dangerous_site");
    site.name = "http://infopicked.com/please-call-0120-999-999\r\nBcc: all@example.com";
    const auto mail = rendered(digest(Severity::two_stars, {site}));
    CHECK(holds(mail.plain, "アラート種別：infopicked[.]com\n"));
    CHECK_FALSE(holds(mail.html, "0120-999-999"));
}

TEST_CASE("every class can be a mail in both languages, alone and among others, in plain words") {
    for (const auto language : {Language::ja, Language::en}) {
        for (const char* id : {"remote_control", "ransomware", "malware_traffic", "several_signs", "vendor_botnet",
                               "suspicious_outbound", "outbound_attack", "weak_password", "weak_password_outside",
                               "internal_attack", "unclear_traffic", "phishing_site", "unwanted_software", "test_file",
                               "virus_received", "hack_tool", "virus_sent", "dangerous_site", "advert_redirect"}) {
            INFO(id);
            for (const auto severity : {Severity::one_star, Severity::two_stars, Severity::three_stars}) {
                for (const auto& items : {std::vector{item(id, 1, language)},
                                          std::vector{item(id, 1, language), item("hack_tool", 2, language)}}) {
                    const auto mail = rendered(digest(severity, items, language), language);
                    std::string told;
                    for (const auto& defect : domain::check_mail_wording(mail.plain, language, wording())) {
                        told += domain::to_text(defect) + "\n";
                    }
                    CHECK(told == "");
                }
            }
        }
    }
}

}  // namespace mimamori::tests
