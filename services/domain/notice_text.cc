#include "domain/notice_text.h"

#include <algorithm>
#include <chrono>

#include "domain/day_text.h"

namespace mimamori::domain {
namespace {

// The first most_items_in_a_mail of `all` as values, and how many more there are.
template <class Item, class Values>
void put_items(TextValues& out, const std::vector<Item>& all, Values values) {
    std::vector<TextValues> shown;
    for (std::size_t i = 0; i < std::min(all.size(), most_items_in_a_mail); ++i) {
        shown.push_back(values(all[i]));
    }
    out["more"] = all.size() > shown.size();
    put_number(out, "more_count", static_cast<std::int64_t>(all.size() - shown.size()));
    put_number(out, "appliances", static_cast<std::int64_t>(all.size()));
    out["several"] = all.size() > 1;
    out["items"] = std::move(shown);
}

std::vector<TextValues> span_values(const std::vector<TimeSpan>& spans, Language language) {
    std::vector<TextValues> out;
    for (std::size_t i = 0; i < std::min(spans.size(), most_spans_told); ++i) {
        const auto text = span_text(spans[i].from, spans[i].until, language);
        TextValues span;
        span["from"] = text.from;
        span["until"] = text.until;
        out.push_back(std::move(span));
    }
    return out;
}

}  // namespace

TextValues silence_values(const SilenceFacts& facts, Language language) {
    auto out = frame_values(facts.frame, language);
    auto longest = std::chrono::hours{0};
    for (const auto& item : facts.appliances) {
        longest =
            std::max(longest, std::chrono::floor<std::chrono::hours>(facts.frame.window_end - item.last_heard_at));
    }
    put_number(out, "hours", longest.count());
    out["within_the_hour"] = longest.count() == 0;
    out["site"] = shown_name(facts.appliances.front().site_name);
    put_items(out, facts.appliances, [&](const SilentAppliance& item) {
        TextValues values;
        values["item_site"] = shown_name(item.site_name);
        values["utm_id"] = item.utm_id;
        values["last_heard"] = minute_text(item.last_heard_at, language);
        return values;
    });
    out["link"] = facts.frame.desk.portal_url + "/appliances";
    return out;
}

TextValues quiet_month_values(const QuietMonthFacts& facts, Language language) {
    auto out = frame_values(facts.frame, language);
    const auto first = base::civil_jst(facts.frame.window_start);
    const auto last = base::civil_jst(facts.frame.window_end - std::chrono::seconds{1});
    const auto month = std::to_string(first.month);
    out["year"] = std::to_string(first.year);
    out["month"] = language == Language::ja ? month : month_name(first.month);
    out["days"] = std::to_string(last.day);
    out["all_ran"] = std::all_of(facts.appliances.begin(), facts.appliances.end(),
                                 [](const auto& item) { return item.silent.empty(); });
    out["restart_awaited"] = std::any_of(facts.appliances.begin(), facts.appliances.end(),
                                         [](const auto& item) { return item.restart_awaited; });
    put_number(out, "attacks", facts.attacks_stopped);
    out["no_attacks"] = facts.attacks_stopped == 0;
    out["from"] = out["until"] = std::string{};  // a template may name them where no appliance was silent
    put_items(out, facts.appliances, [&](const ReportedAppliance& item) {
        TextValues values;
        values["site"] = shown_name(item.site_name);
        values["utm_id"] = item.utm_id;
        values["ran"] = item.silent.empty();
        values["silences"] = span_values(item.silent, language);
        values["more_silences"] = item.silent.size() > most_spans_told;
        put_number(values, "more_silence_count",
                   static_cast<std::int64_t>(item.silent.size() - std::min(item.silent.size(), most_spans_told)));
        values["item_restart_awaited"] = item.restart_awaited;
        return values;
    });
    out["link"] = facts.frame.desk.portal_url + "/reports/" + std::to_string(first.year) + "-" +
                  (month.size() == 1 ? "0" : "") + month;
    return out;
}

}  // namespace mimamori::domain
