#include "correlator/finding_plan.h"

#include <algorithm>

namespace mimamori::correlator {

using domain::Grouping;

void count_in(store::FindingCount& count, base::Time event, base::Time received) {
    count.first = count.detections == 0 ? event : std::min(count.first, event);
    count.last = count.detections == 0 ? event : std::max(count.last, event);
    count.received = count.detections == 0 ? received : std::max(count.received, received);
    ++count.detections;
}

std::size_t FindingPlan::key(base::CustomerId customer, std::string_view device_key, std::string_view class_id) {
    const auto found = index_.find(std::tuple{customer.value, device_key, class_id});
    if (found != index_.end()) {
        return found->second;
    }
    const auto key = keys_.size();
    keys_.push_back({customer, std::string{device_key}, std::string{class_id}});
    newest_.emplace_back();
    index_.emplace(std::tuple{customer.value, std::string{device_key}, std::string{class_id}}, key);
    return key;
}

void FindingPlan::stored(std::size_t key, const domain::OpenFinding& newest) {
    newest_[key].finding = newest;
}

FindingPlan::Step FindingPlan::begin(std::size_t key, const domain::Verdict& verdict, base::Time received) {
    auto& newest = newest_[key];
    const auto grouping = domain::group(newest.finding ? &*newest.finding : nullptr, verdict, received);
    const bool is_new = grouping == Grouping::new_finding;
    if (is_new || !newest.draft) {
        Draft draft;
        draft.key = key;
        draft.begun = received;
        if (!is_new) {
            draft.id = newest.finding->id;
        }
        newest.draft = drafts_.size();
        drafts_.push_back(std::move(draft));
    }
    return {grouping, *newest.draft, is_new || grouping == Grouping::joins_and_raises};
}

void FindingPlan::finish(std::size_t key, const Step& step, const domain::Verdict& verdict, base::Time received,
                         base::Time event) {
    auto& newest = newest_[key];
    auto& draft = drafts_[step.draft];
    draft.raised = draft.raised || (draft.id && step.grouping == Grouping::joins_and_raises);
    count_in(draft.count, event, received);

    const auto news = domain::mail_news(step.grouping, newest.finding ? &*newest.finding : nullptr, verdict);
    if (news) {
        const auto [at, is_first] = news_of_.try_emplace({step.draft, news->severity}, news_.size());
        if (is_first) {
            news_.push_back({step.draft, *news, {}});
        }
        count_in(news_[at->second].count, event, received);
    }
    if (step.grouping == Grouping::new_finding) {
        newest.finding = domain::OpenFinding{{}, verdict.severity, received, news.has_value()};
        return;
    }
    newest.finding->severity = std::max(newest.finding->severity, verdict.severity);
    newest.finding->last_received_at = std::max(newest.finding->last_received_at, received);
    newest.finding->has_mail_item = newest.finding->has_mail_item || news.has_value();
}

}  // namespace mimamori::correlator
