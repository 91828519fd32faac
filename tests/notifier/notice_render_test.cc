// Whole mails without a detection, as a customer reads them: lost records, a silent appliance, a quiet month.
#include <catch2/catch.hpp>

#include "notifier/mail_fixture.h"

namespace mimamori::tests {
namespace {

using domain::Language;

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}
base::Time at(std::string_view text) {
    return *base::parse_timestamp(text);
}

domain::LossItem lost(std::int64_t entries) {
    return {.utm_id = "0000000000",
            .site_name = "本社",
            .entries = entries,
            .oldest = at("2026-04-08T09:12:05+09:00"),
            .newest = at("2026-04-08T10:39:40+09:00")};
}

notifier::MailText rendered_losses(std::vector<domain::LossItem> items, Language language = Language::ja) {
    auto mail = notifier::render_losses(templates(), {frame(language), std::move(items)}, language);
    REQUIRE(mail);
    return *mail;
}

notifier::MailText rendered_silence(std::vector<domain::SilentAppliance> appliances, Language language = Language::ja) {
    auto mail = notifier::render_silence(templates(), {frame(language), std::move(appliances)}, language);
    if (!mail) {
        FAIL(mail.error().what);
    }
    return *mail;
}

notifier::MailText rendered_month(std::vector<domain::ReportedAppliance> appliances, std::int64_t attacks,
                                  Language language = Language::ja) {
    auto month = frame(language);
    month.window_start = at("2026-04-01T00:00:00+09:00");
    month.window_end = at("2026-05-01T00:00:00+09:00");
    auto mail = notifier::render_quiet_month(templates(), {month, std::move(appliances), attacks}, language);
    if (!mail) {
        FAIL(mail.error().what);
    }
    return *mail;
}

}  // namespace

TEST_CASE("the shipped templates are whole and hold no refused word") {
    CHECK(domain::missing_template(templates()).empty());
    std::string told;
    for (const auto& defect : domain::check_wording(templates(), wording())) {
        told += domain::to_text(defect) + "\n";
    }
    CHECK(told == "");
}

TEST_CASE("a mail about lost records says how many and of when, and that nothing need be done") {
    const auto mail = rendered_losses({lost(1250)});
    CHECK(mail.subject ==
          "【サイバーお助け隊】対応は不要です：検知の記録の一部を保存できませんでした（4月8日10時台のお知らせ）");
    CHECK(mail.plain.rfind("【対応は不要です】検知の記録のうち、1,250件を保存できませんでした。\n", 0) == 0);
    CHECK(holds(mail.plain, "お客様にしていただくことはありません。"));
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
    CHECK(holds(mail.plain, "失われた記録のうち3件は"));
    CHECK_FALSE(holds(mail.plain, "お客様にしていただくことはありません"));
    check_golden("losses_urgent_ja", mail);
    check_golden("losses_urgent_en", rendered_losses({urgent, forked, unknown, blocks}, Language::en), Language::en);
}

TEST_CASE("lost counts of blocks are no lost detections") {
    auto blocks = lost(40);
    blocks.blocks = true;
    const auto mail = rendered_losses({blocks});
    CHECK_FALSE(holds(mail.plain, "検知の記録"));
    CHECK(holds(mail.plain, "サイトへの接続を止めた回数の記録のうち、40件を"));
    CHECK(holds(mail.plain, "検知のお知らせには影響ありません"));
    blocks.entries = 1;
    CHECK(holds(rendered_losses({blocks}, Language::en).plain,
                " 1 record of how often sites were blocked could not be kept."));
}

TEST_CASE("where nobody knows how many records were lost, no number stands") {
    auto unknown = lost(0);
    unknown.at_least = true;
    const auto mail = rendered_losses({unknown});
    CHECK(mail.plain.rfind("【対応は不要です】検知の記録のうち、一部を保存できませんでした。\n", 0) == 0);
    CHECK(holds(mail.plain, "（件数は分かりません）"));
    CHECK(holds(rendered_losses(std::vector<domain::LossItem>(domain::most_items_in_a_mail + 7, lost(1))).plain,
                "このほかに7件あります"));
}

TEST_CASE("a silent appliance: since when, what to look at, and when nothing need be done") {
    const domain::SilentAppliance silent{"本社", "0000000000", at("2026-04-08T06:41:00+09:00")};
    const auto mail = rendered_silence({silent});
    CHECK(mail.subject == "【サイバーお助け隊】確認をお願いします：UTMと通信できていません（本社）");
    CHECK(mail.plain.rfind("【確認をお願いします】UTM（お貸ししている防御装置）と、4時間以上通信できていません。\n",
                           0) == 0);
    CHECK(holds(mail.plain, "停電や、お休みのために電源を切っている場合は、対応は不要です。"));
    CHECK(holds(mail.plain, "最後に通信できた日時：2026年4月8日（水）06:41（日本時間）"));
    check_golden("silence_ja", mail);
    check_golden("silence_en",
                 rendered_silence({{"Head office", "0000000000", at("2026-04-08T06:41:00+09:00")}}, Language::en),
                 Language::en);
    const auto shorter =
        rendered_silence({{"Head office", "0000000000", at("2026-04-08T10:00:00+09:00")}}, Language::en);
    CHECK(holds(shorter.plain, "for 1 hour or more."));
    CHECK(holds(rendered_silence({{"本社", "0000000000", at("2026-04-08T10:30:00+09:00")}}).plain,
                "しばらく通信できていません。"));
    const auto many = rendered_silence(std::vector(domain::most_items_in_a_mail + 3, silent));
    CHECK(holds(many.subject, "（23台）"));
    CHECK(holds(many.plain, "このほかに3台あります"));
}

TEST_CASE("a quiet month: nothing to do, what the appliance cannot see, and no promise of safety") {
    const auto mail = rendered_month({{"本社", "0000000000", {}, false}}, 38);
    CHECK(mail.subject == "【サイバーお助け隊】2026年4月の月間レポート：お知らせが必要な異常はありませんでした");
    CHECK(mail.plain.rfind("【対応は不要です】2026年4月は、お知らせが必要な異常は見つかりませんでした。\n", 0) == 0);
    CHECK(holds(mail.plain, "4月1日から30日まで"));
    CHECK(holds(mail.plain, "30日間、正常に動いていました"));
    CHECK(holds(mail.plain, "止めた回数：38回（貴社への影響は確認されていません）"));
    CHECK(holds(mail.plain, "完全に防ぐことを保証するものではありません。"));
    CHECK(holds(mail.plain, "https://portal.example.com/reports/2026-04\n"));
    check_golden("quiet_month_ja", mail);
    check_golden("quiet_month_en", rendered_month({{"Head office", "0000000000", {}, false}}, 38, Language::en),
                 Language::en);
    CHECK_FALSE(holds(rendered_month({{"本社", "0000000000", {}, false}}, 0).plain, "貴社への影響"));
}

TEST_CASE("a month in which the appliance was not heard of all the time, or waits for a restart, says so") {
    std::vector<domain::TimeSpan> silences;
    for (int day = 0; day < 7; ++day) {
        const auto from = at("2026-04-03T12:00:00+09:00") + std::chrono::hours{24 * day};
        silences.push_back({from, from + std::chrono::minutes{95}});
    }
    const auto mail =
        rendered_month({{"本社", "0000000000", silences, false}, {"工場", "0000000001", {}, true}}, 1'204);
    CHECK(mail.plain.rfind("【お願いが1つあります】2026年4月は、", 0) == 0);
    CHECK(holds(mail.plain, "本社（UTM ID：0000000000）：次の時間帯は、動いていることを確認できませんでした\n"));
    CHECK(holds(mail.plain, "2026年4月3日（金）12:00から13:35まで\n"));
    CHECK(holds(mail.plain, "ほかに2回\n"));
    CHECK(holds(mail.plain, "\nお願い：お仕事に差し支えのない時間に、更新が残っているUTMの電源を一度抜き、"));
    CHECK_FALSE(holds(mail.plain, "対応は不要です"));
    check_golden("quiet_month_gaps_ja", mail);
    CHECK(holds(rendered_month({{"Head office", "0000000000", silences, true}}, 1, Language::en).plain,
                "and 2 more times\n"));
}

}  // namespace mimamori::tests
