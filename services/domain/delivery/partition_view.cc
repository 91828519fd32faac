#include "domain/delivery/partition_view.h"

#include <algorithm>
#include <iterator>

namespace mimamori::domain::delivery {

bool PartitionView::on_progress(const Generation& generation, const LogPosition& committed) {
    return generation == now_.generation && on_database(committed);
}

bool PartitionView::on_database(const LogPosition& committed) {
    if (committed <= now_.committed) {  // log_no first, then offset
        return false;
    }
    if (committed.log_no != now_.committed.log_no) {  // offsets of the older log mean nothing any more
        now_.passed_order = orders_;
        awaited_.clear();
    }
    now_.committed = committed;
    pass();
    return true;
}

bool PartitionView::on_landed(std::uint64_t order, std::int64_t offset) {
    if (order <= now_.passed_order) {
        return false;
    }
    auto at = awaited_.end();
    while (at != awaited_.begin() && std::prev(at)->order > order) {  // reports nearly always come in order
        --at;
    }
    if (at != awaited_.end() && at->offset <= offset) {
        return false;
    }
    while (at != awaited_.begin() && std::prev(at)->offset >= offset) {
        at = awaited_.erase(std::prev(at));
    }
    awaited_.insert(at, {order, offset});
    if (awaited_.size() > max_awaited) {
        // Every second is enough: a record is then known as passed a little later, by the next one kept. The newest
        // stays.
        std::size_t kept = 0;
        for (std::size_t i = awaited_.size() % 2 == 0 ? 1 : 0; i < awaited_.size(); i += 2) {
            awaited_[kept++] = awaited_[i];
        }
        awaited_.resize(kept);
    }
    return pass();
}

bool PartitionView::pass() {
    const auto before = now_.passed_order;
    while (!awaited_.empty() && awaited_.front().offset < now_.committed.next_offset) {
        now_.passed_order = awaited_.front().order;
        awaited_.pop_front();
    }
    return now_.passed_order != before;
}

bool PartitionView::tick_due(bool anything_unsettled, std::int64_t now_ms, std::int64_t interval_ms) {
    if (!anything_unsettled || (last_tick_ms_ && now_ms - *last_tick_ms_ < interval_ms)) {
        return false;
    }
    last_tick_ms_ = now_ms;
    return true;
}

}  // namespace mimamori::domain::delivery
