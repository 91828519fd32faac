// How customers are spoken to: each rule of the list with a text that breaks it.
#include "domain/wording.h"

#include <catch2/catch.hpp>
#include <functional>

#include "domain/small_pack.h"

namespace mimamori::tests {
namespace {

using domain::Language;
using domain::RulePack;

domain::Wording wording() {
    domain::Wording out;
    out.ja.longest_sentence = 20;
    out.ja.refused = {{"インシデント", "検知"}, {"【重要】", "書かない"}};
    out.ja.explained = {"マルウェア", "フルスキャン"};
    out.ja.introduced = {"UTM"};
    out.ja.plain = {"ウイルス", "LAN", "リスク"};
    out.ja.endings = {"です", "ます", "ください"};
    out.en.longest_sentence = 8;
    out.en.refused = {{"click", "say to open the portal"}};
    out.en.explained = {"malware"};
    out.en.introduced = {"UTM"};
    return out;
}

std::string all(const std::vector<domain::PackDefect>& defects) {
    std::string out;
    for (const auto& defect : defects) {
        out += domain::to_text(defect) + "\n";
    }
    return out;
}

struct Row {
    const char* sentence;
    std::function<void(domain::ClassText&, domain::ClassText&)> write;  // ja, en
    const char* told;                                                   // empty: nothing
};

const Row rows[] = {
    {"what is not the insured event is not called so", [](auto& ja, auto&) { ja.title = "インシデントの検知"; },
     "line 111: class \"low\", title in ja: holds \"インシデント\": 検知"},
    {"mails do not sound like fraud", [](auto& ja, auto&) { ja.summary = "【重要】概要です。"; },
     "line 111: class \"low\", summary in ja: holds \"【重要】\": 書かない"},
    {"nor in English, in either case", [](auto&, auto& en) { en.risk = "Click here."; },
     "line 112: class \"low\", risk in en: holds \"click\": say to open the portal"},
    {"a word is not part of another", [](auto&, auto& en) { en.risk = "The clicking is loud."; }, ""},
    {"a word of the trade is explained", [](auto& ja, auto&) { ja.risk = "マルウェアです。"; },
     "line 111: class \"low\", risk in ja: holds \"マルウェア\" without its meaning"},
    {"beside it", [](auto& ja, auto&) { ja.risk = "マルウェア（悪いもの）です。"; }, ""},
    {"or by it", [](auto& ja, auto&) { ja.risk = "全体の検査（フルスキャン）です。"; }, ""},
    {"parentheses that have ended explain nothing", [](auto& ja, auto&) { ja.risk = "検査（全体）とマルウェアです。"; },
     "holds \"マルウェア\" without its meaning"},
    {"quotation marks may stand between", [](auto& ja, auto&) { ja.risk = "「マルウェア」（悪いもの）です。"; }, ""},
    {"English too", [](auto&, auto& en) { en.risk = "It is malware."; },
     "line 112: class \"low\", risk in en: holds \"malware\""},
    {"explained in English", [](auto&, auto& en) { en.risk = "It is malware (harmful software)."; }, ""},
    {"katakana that nobody has listed is jargon", [](auto& ja, auto&) { ja.explanation = "ペネトレーションです。"; },
     "line 111: class \"low\", explanation in ja: holds \"ペネトレーション\", which is not on the list"},
    {"so are Latin letters", [](auto& ja, auto&) { ja.explanation = "DLLです。"; },
     "holds \"DLL\", which is not on the list"},
    {"numbers are plain", [](auto& ja, auto&) { ja.explanation = "LANが2つです。"; }, ""},
    {"a sentence can be read at a glance",
     [](auto& ja, auto&) { ja.risk = "あいうえおかきくけこさしすせそたちつです。"; },
     "line 111: class \"low\", risk in ja: has a sentence of 21 characters, at most 20"},
    {"two may be longer together", [](auto& ja, auto&) { ja.risk = "あいうえおかきくけこさしすせそです。次です。"; },
     ""},
    {"English counts words", [](auto&, auto& en) { en.risk = "One two three four five six seven eight nine."; },
     "line 112: class \"low\", risk in en: has a sentence of 9 words, at most 8"},
    {"Japanese is polite", [](auto& ja, auto&) { ja.risk = "危険だ。"; },
     "line 111: class \"low\", risk in ja: ends with neither です nor ます"},
    {"and in whole sentences", [](auto& ja, auto&) { ja.risk = "情報の盗み出しなど"; },
     "line 111: class \"low\", risk in ja: does not end with 。"},
    {"a remark in parentheses may end one", [](auto& ja, auto&) { ja.risk = "危険です（まれなこと）。"; }, ""},
    {"a title is no sentence", [](auto& ja, auto&) { ja.title = "ウイルスの疑い"; }, ""},
};

TEST_CASE("a pack's texts speak plainly, and each that does not is told with its line") {
    for (const auto& row : rows) {
        INFO(row.sentence);
        auto pack = small_pack();
        row.write(pack.classes[low_class].ja, pack.classes[low_class].en);
        const auto told = all(domain::check_wording(pack, wording()));
        INFO(told);
        CHECK((*row.told == '\0' ? told.empty() : told.find(row.told) != std::string::npos));
    }
}

TEST_CASE("each text of a class has its own line, and what classes share is told once") {
    auto pack = small_pack();
    for (const auto index : {low_class, infection_class}) {
        auto& text = pack.classes[index].ja;
        text.lines = {1, 2, 3, 4, 55, 66};
        text.further_steps = {"次です。"};
        text.steps[0] = "インシデントです。";
        text.further_steps[0] = "次だ。";
    }
    CHECK(all(domain::check_wording(pack, wording())) ==
          "line 55: class \"low\", steps 1 in ja: holds \"インシデント\", which is not on the list of plain words: say "
          "it in "
          "Japanese, or list it in wording.yaml\n"
          "line 55: class \"low\", steps 1 in ja: holds \"インシデント\": 検知\n"
          "line 66: class \"low\", further_steps 1 in ja: ends with neither です nor ます: write it politely\n");
}

TEST_CASE("a template's refused words are told with the line of the file") {
    domain::MailTemplates templates;
    templates.texts["alert_plain_ja"] = "{{title}}\nインシデントのお知らせ\n";
    templates.texts["alert_plain_en"] = "Please click.\n";
    templates.lines = {{"alert_plain_ja", 30}, {"alert_plain_en", 10}};
    CHECK(all(domain::check_wording(templates, wording())) ==
          "line 10: template alert_plain_en: holds \"click\": say to open the portal\n"
          "line 31: template alert_plain_ja: holds \"インシデント\": 検知\n");
}

TEST_CASE("a whole mail is read as its reader does") {
    const auto told = [](std::string_view mail, Language language = Language::ja) {
        return all(domain::check_mail_wording(mail, language, wording()));
    };
    CHECK(told("UTM（防御装置）です。\nUTMです。\n") == "");
    CHECK(told("一行目です。\nUTMです。\nUTM（防御装置）です。\n") ==
          "line 2: holds \"UTM\" for the first time without its meaning in parentheses\n");
    CHECK(told("一行目です。\n①です。\n").find("line 2: holds \"①\", which is not in ISO-2022-JP") == 0);
    CHECK(told("とても長い見出しの言葉がここにあります：短い文です。\n") == "");
    CHECK(
        told("見出し：あいうえおかきくけこさしすせそたちつです。\n").find("line 1: has a sentence of 21 characters") ==
        0);
    CHECK(told("送信元：とても長い記録の行で文ではないので数えないもの\n") == "");
    CHECK(told("Please click.\n", Language::en) == "line 1: holds \"click\": say to open the portal\n");
}

}  // namespace
}  // namespace mimamori::tests
