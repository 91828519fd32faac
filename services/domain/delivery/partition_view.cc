#include "domain/delivery/partition_view.h"

namespace mimamori::domain::delivery {

bool PartitionView::on_progress(const Generation& generation, const LogPosition& committed) {
    return generation == now_.generation && on_database(committed);
}

bool PartitionView::on_database(const LogPosition& committed) {
    if (committed <= now_.committed) {  // log_no first, then offset
        return false;
    }
    now_.committed = committed;
    return true;
}

void PartitionView::on_landed(std::uint64_t order, std::int64_t offset) {
    if (order > now_.landed_order) {
        now_.landed_order = order;
        now_.landed_offset = offset;
    }
}

bool PartitionView::tick_due(bool anything_unsettled, std::int64_t now_ms, std::int64_t interval_ms) {
    if (!anything_unsettled || (last_tick_ms_ && now_ms - *last_tick_ms_ < interval_ms)) {
        return false;
    }
    last_tick_ms_ = now_ms;
    return true;
}

}  // namespace mimamori::domain::delivery
