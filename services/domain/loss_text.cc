#include "domain/loss_text.h"

#include <algorithm>

#include "domain/day_text.h"

namespace mimamori::domain {
namespace {

struct Sum {
    std::int64_t entries = 0;
    bool at_least = false;
};

void put_count(TextValues& out, const Sum& sum) {
    put_number(out, "count", sum.entries);
    out["count_exact"] = !sum.at_least;
    out["count_at_least"] = sum.at_least && sum.entries > 0;
    out["count_unknown"] = sum.at_least && sum.entries == 0;
}

TextValues item_values(const LossItem& item, std::size_t number, Language language) {
    TextValues out;
    out["number"] = std::to_string(number);
    out["utm_id"] = item.utm_id;
    out["site"] = shown_name(item.site_name);
    out["item_blocks"] = item.blocks;
    put_count(out, {item.entries, item.at_least});
    const bool known = item.oldest && item.newest;
    out["has_times"] = known;
    out["times_in_part"] = known && item.times_incomplete;
    const auto span = known ? span_text(*item.oldest, *item.newest, language) : SpanText{};
    out["from"] = span.from;
    out["until"] = span.until;
    return out;
}

}  // namespace

TextValues loss_values(const LossFacts& facts, Language language) {
    // The first line speaks of detections where any are lost; of blocks only where nothing else is.
    const bool only_blocks =
        std::all_of(facts.items.begin(), facts.items.end(), [](const LossItem& item) { return item.blocks; });
    Sum sum;
    Sum urgent;
    for (const auto& item : facts.items) {
        if (item.blocks == only_blocks) {
            sum.entries += item.entries;
            sum.at_least = sum.at_least || item.at_least;
        }
        urgent.entries += item.urgent;
        urgent.at_least = urgent.at_least || (item.urgent > 0 && item.at_least);
    }
    const auto shown_items = std::min(facts.items.size(), most_items_in_a_mail);
    std::vector<TextValues> shown;
    for (std::size_t i = 0; i < shown_items; ++i) {
        shown.push_back(item_values(facts.items[i], i + 1, language));
    }

    auto out = frame_values(facts.frame, language);
    put_count(out, sum);
    out["only_blocks"] = only_blocks;
    out["urgent"] = urgent.entries > 0;
    put_number(out, "urgent_count", urgent.entries);
    out["urgent_at_least"] = urgent.at_least;
    out["items"] = std::move(shown);
    out["several"] = facts.items.size() > 1;
    out["more"] = facts.items.size() > shown_items;
    put_number(out, "more_count", static_cast<std::int64_t>(facts.items.size() - shown_items));
    out["link"] = facts.frame.desk.portal_url + "/losses";
    return out;
}

}  // namespace mimamori::domain
