// Groups the starred detections of one transaction into findings and news for customers, in the order of the log. What it
// makes of them does not depend on how the log is cut into transactions. No I/O: the newest findings are told to it.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "domain/finding.h"
#include "domain/severity.h"
#include "store/correlator_store.h"

namespace mimamori::correlator {

class FindingPlan {
  public:
    struct Draft {  // a finding that is new or changes
        std::optional<base::FindingId> id;  // empty: to be inserted
        std::size_t key = 0;
        bool raised = false;  // only of one that is stored: severity and details change
        store::FindingDetails details;  // of a new or raised one
        store::FindingCount count;
        std::string alert_id;
        base::Time begun{};  // receive time of its first detection here
    };
    struct News {
        std::size_t draft;
        domain::MailNews news;
        store::FindingCount count;
    };

    // First all keys, then what is stored of them, then the detections.
    std::size_t key(base::CustomerId customer, std::string_view device_key, std::string_view class_id);
    const std::vector<store::FindingKey>& keys() const { return keys_; }
    void stored(std::size_t key, const domain::OpenFinding& newest);

    // Adds one starred detection; returns its draft. `details` makes FindingDetails and is called only if they are needed.
    template <class Details>
    std::size_t add(std::size_t key, const domain::Verdict& verdict, base::Time received, base::Time event,
                    const Details& details) {
        const auto step = begin(key, verdict, received);
        if (step.needs_details) {
            drafts_[step.draft].details = details();
            drafts_[step.draft].details.severity = verdict.severity;
        }
        finish(key, step, verdict, received, event);
        return step.draft;
    }

    std::vector<Draft>& drafts() { return drafts_; }
    const std::vector<News>& news() const { return news_; }

  private:
    struct Newest {
        std::optional<domain::OpenFinding> finding;
        std::optional<std::size_t> draft;
    };
    struct Step {
        domain::Grouping grouping;
        std::size_t draft;
        bool needs_details;
    };
    Step begin(std::size_t key, const domain::Verdict& verdict, base::Time received);
    void finish(std::size_t key, const Step& step, const domain::Verdict& verdict, base::Time received, base::Time event);

    std::vector<store::FindingKey> keys_;
    std::map<std::tuple<std::int64_t, std::string, std::string>, std::size_t, std::less<>> index_;
    std::vector<Newest> newest_;
    std::vector<Draft> drafts_;
    std::vector<News> news_;
    std::map<std::pair<std::size_t, domain::Severity>, std::size_t> news_of_;
};

// One more detection in a count.
void count_in(store::FindingCount& count, base::Time event, base::Time received);

}  // namespace mimamori::correlator
