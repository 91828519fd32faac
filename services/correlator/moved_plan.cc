#include "correlator/moved_plan.h"

#include "domain/delivery/applier.h"

namespace mimamori::correlator {

base::Expected<void> MovedPlan::read(store::Connection& connection, const Poll& poll,
                                     std::span<const TakenEntry> entries) {
    std::vector<store::MovedEntry> moved;
    std::vector<TakenEntry> taken;
    for (const auto& entry : entries) {
        const auto& record = poll.records[entry.record];
        const auto& view = record.entries[entry.index];
        if (view.suspect && view.kind != static_cast<std::uint32_t>(delivery::EntryKind::block) &&
            view.suspect_of.seq >= 1 && view.suspect_of.seq <= INT64_MAX) {
            const auto& stream = poll.streams[entry.stream].stored;
            moved.push_back({stream.customer,
                             {stream.key.rental, stream.key.lane, view.suspect_of.spool_id},
                             view.suspect_of.seq,
                             record.digests[entry.index],
                             base::time_from_us(record.view.received_at_us)});
            taken.push_back(entry);
        }
    }
    if (moved.empty()) {
        return {};
    }
    const auto rows = store::read_moved(connection, moved);
    if (!rows) {
        return tl::unexpected{rows.error()};
    }
    std::vector<bool> is_stored(moved.size());
    for (const auto& row : *rows) {
        is_stored[row.key] = is_stored[row.key] || delivery::is_repeated(moved[row.key].digest, row.digest);
    }
    std::set<std::tuple<store::StreamKey, delivery::Seq, delivery::Hash128>> places;
    for (std::size_t i = 0; i < moved.size(); ++i) {
        if (is_stored[i] || !places.insert({moved[i].first_stream, moved[i].seq, moved[i].digest}).second) {
            repeated_.insert({taken[i].stream, taken[i].seq});
        } else {
            stored_.push_back(moved[i]);
        }
    }
    return {};
}

base::Expected<void> MovedPlan::write(store::Connection& connection) const {
    return stored_.empty() ? base::Expected<void>{} : store::add_moved(connection, stored_);
}

}  // namespace mimamori::correlator
