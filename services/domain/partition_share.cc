#include "domain/partition_share.h"

#include <algorithm>
#include <map>

namespace mimamori::domain {

ShareStep next_share_step(std::span<const HeldPartition> partitions, std::string_view me, std::size_t live) {
    std::map<std::string_view, std::size_t> held{{me, 0}};
    std::vector<std::int32_t> free, mine;
    for (const auto& partition : partitions) {
        if (partition.holder.empty()) {
            free.push_back(partition.partition);
            continue;
        }
        ++held[partition.holder];
        if (partition.holder == me) {
            mine.push_back(partition.partition);
        }
    }
    live = std::max(live, held.size());  // a holder whose announcement has just ended still counts
    const auto down = partitions.size() / live;
    const auto up = (partitions.size() + live - 1) / live;
    const bool another_lacks = down > 0 && (held.size() < live || std::any_of(held.begin(), held.end(), [&](const auto& h) {
                                                return h.first != me && h.second < down;
                                            }));
    const auto target = another_lacks ? down : up;

    ShareStep step;
    if (mine.size() < target) {
        const auto wanted = std::min(target - mine.size(), free.size());
        step.take.assign(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(wanted));
    }
    const auto fullest =
        std::max_element(held.begin(), held.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (mine.size() > target && free.empty() && fullest->first == me) {
        step.release.push_back(mine.back());
    }
    return step;
}

}  // namespace mimamori::domain
