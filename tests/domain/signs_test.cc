// Several independent signs on one device: the window, lateness and the order of arrival.
#include "domain/signs.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "domain/small_pack.h"

namespace mimamori::tests {
namespace {

using namespace std::chrono_literals;
using domain::SeveralSignsRule;
using domain::SignMark;
using domain::Verdict;

const base::Time noon = base::from_civil_utc({2026, 4, 8, 3, 0, 0, 0});

Verdict verdict_of(std::size_t class_index, Severity severity) {
    Verdict verdict;
    verdict.class_index = static_cast<domain::ClassIndex>(class_index);
    verdict.severity = severity;
    verdict.reason = domain::Reason::rule;
    return verdict;
}

TEST_CASE("which detection is a sign") {
    struct Row {
        const char* sentence;
        std::size_t class_index;
        Severity severity;
        base::Micros corrected, received;  // after noon
        std::optional<base::Micros> marked;
    };
    const Row rows[] = {
        // the small pack's window is 60 minutes, its lateness 30
        {"two stars of a class that is a sign", infection_class, Severity::two_stars, 0min, 1min, 0min},
        {"one star is not enough", infection_class, Severity::one_star, 0min, 1min, {}},
        {"a class without a sign is none", low_class, Severity::two_stars, 0min, 1min, {}},
        {"marks are kept to the minute", infection_class, Severity::two_stars, 90s, 2min, 1min},
        {"an event in the future counts as received", infection_class, Severity::three_stars, 72h, 5min, 5min},
        {"as late as window and lateness allow", infection_class, Severity::two_stars, 0min, 90min, 0min},
        {"later than that it is not a sign any more", infection_class, Severity::two_stars, 0min, 90min + 1us, {}},
    };
    const auto pack = small_pack();
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto mark = domain::sign_mark(pack, verdict_of(row.class_index, row.severity), noon + row.corrected,
                                            noon + row.received);
        REQUIRE(mark.has_value() == row.marked.has_value());
        if (mark) {
            CHECK(mark->sign == pack.classes[row.class_index].sign);
            CHECK(mark->at == noon + *row.marked);
        }
    }
    auto off = small_pack();
    off.several_signs.enabled = false;
    CHECK_FALSE(domain::sign_mark(off, verdict_of(infection_class, Severity::two_stars), noon, noon));
    auto made = verdict_of(infection_class, Severity::three_stars);
    made.reason = domain::Reason::several_signs;
    CHECK_FALSE(domain::sign_mark(pack, made, noon, noon));
    CHECK(domain::forget_signs_before(pack.several_signs, noon) == noon - 90min);
}

SeveralSignsRule rule_of(int at_least) {
    return {true, 60, 30, at_least, Severity::three_stars, "several", "test", 0, 1};
}

TEST_CASE("when several signs come together") {
    struct Row {
        const char* sentence;
        int at_least;
        std::vector<SignMark> others;
        SignMark added;
        std::vector<std::string_view> signs;  // empty: not complete
    };
    const Row rows[] = {
        {"one sign alone is not several", 2, {}, {"site", noon}, {}},
        {"the same sign again is still one", 2, {{"site", noon - 5min}}, {"site", noon}, {}},
        {"a second kind completes two", 2, {{"site", noon - 5min}}, {"virus", noon}, {"site", "virus"}},
        {"at the window's very length they are together",
         2,
         {{"site", noon - 60min}},
         {"virus", noon},
         {"site", "virus"}},
        {"a minute more and they are not", 2, {{"site", noon - 61min}}, {"virus", noon}, {}},
        {"what happened before but arrives later counts the same",
         2,
         {{"virus", noon + 60min}},
         {"site", noon},
         {"site", "virus"}},
        {"a minute too far the other way", 2, {{"virus", noon + 61min}}, {"site", noon}, {}},
        {"three kinds want all three in one window",
         3,
         {{"site", noon - 40min}, {"virus", noon + 40min}},
         {"traffic", noon},
         {}},
        {"and are found wherever the window lies",
         3,
         {{"virus", noon + 20min}, {"site", noon - 40min}},
         {"traffic", noon},
         {"site", "traffic", "virus"}},
        {"a window that does not hold the new mark is old news",
         2,
         {{"site", noon - 50min}, {"virus", noon - 55min}},
         {"site", noon + 30min},
         {}},
        {"an old sign repeated is told with the window that holds it",
         2,
         {{"site", noon - 50min}, {"virus", noon - 45min}},
         {"site", noon},
         {"site", "virus"}},
        {"a repeated sign between does not hide the others",
         3,
         {{"site", noon - 50min}, {"traffic", noon - 30min}, {"traffic", noon - 1min}},
         {"virus", noon},
         {"site", "traffic", "virus"}},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto found = domain::several_signs(rule_of(row.at_least), row.others, row.added);
        CHECK(found.has_value() == !row.signs.empty());
        if (found) {
            CHECK(found->signs == row.signs);
            CHECK(found->last - found->first <= 60min);
            CHECK(found->first <= row.added.at);
            CHECK(found->last >= row.added.at);
        }
    }
    auto off = rule_of(2);
    off.enabled = false;
    CHECK_FALSE(domain::several_signs(off, std::vector<SignMark>{{"site", noon}}, {"virus", noon}));
}

TEST_CASE("in whatever order marks arrive, the rule is completed if and only if it should be") {
    // Any window of the marks below either holds three kinds or not; the last arrival that matters must say so.
    std::vector<SignMark> marks{{"a", noon}, {"b", noon + 30min}, {"a", noon + 70min}, {"c", noon + 85min}};
    const auto together = [](const std::vector<SignMark>& all) {
        return std::any_of(all.begin(), all.end(), [&](const auto& start) {
            std::vector<std::string_view> kinds;
            for (const auto& mark : all) {
                if (mark.at >= start.at && mark.at - start.at <= 60min) {
                    kinds.push_back(mark.sign);
                }
            }
            std::sort(kinds.begin(), kinds.end());
            return std::unique(kinds.begin(), kinds.end()) - kinds.begin() >= 3;
        });
    };
    REQUIRE(together(marks));
    std::vector<int> order{0, 1, 2, 3};
    int orders = 0;
    do {
        std::vector<SignMark> arrived;
        bool completed = false;
        for (const int i : order) {
            const auto& mark = marks[static_cast<std::size_t>(i)];
            completed = completed || domain::several_signs(rule_of(3), arrived, mark).has_value();
            arrived.push_back(mark);
            CHECK(completed == together(arrived));
        }
        ++orders;
    } while (std::next_permutation(order.begin(), order.end()));
    CHECK(orders == 24);
}

}  // namespace
}  // namespace mimamori::tests
