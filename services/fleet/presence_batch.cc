#include "fleet/presence_batch.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace mimamori::fleet {
namespace {

using uplink::v1::Presence;

constexpr std::size_t longest_text = 200;

std::int64_t as_signed(std::uint64_t value) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
}

void tell(std::string& known, const std::string& news) {
    if (!news.empty()) {
        known = base::to_valid_utf8(news, longest_text);
    }
}

}  // namespace

bool PresenceBatch::add(const Presence& news) {
    const bool usable = news.rental_id() > 0 && news.customer_id() > 0 && news.appliance_id() > 0 &&
                        news.session_id().size() == 16 && news.kind() >= Presence::CONNECTED &&
                        news.kind() <= Presence::DISCONNECTED;
    if (!usable) {
        return false;
    }
    const base::RentalId rental{news.rental_id()};
    const auto known = rows_.find(rental);
    const auto at = base::time_from_us(news.at_us());
    const bool ends = news.kind() == Presence::DISCONNECTED;
    if (known != rows_.end() && (at < known->second.heard_at || (ends && news.session_id() != known->second.session_id))) {
        return true;
    }
    auto& row = rows_[rental];
    row.rental = rental;
    row.customer = {news.customer_id()};
    row.appliance = {news.appliance_id()};
    tell(row.gateway, news.gateway());
    row.session_id = news.session_id();
    row.connected = !ends;
    row.heard_at = at;
    row.clock_offset_us = news.clock_offset_us();
    if (news.kind() == Presence::CONNECTED) {
        row.connected_at_us = news.at_us();
    }
    tell(row.agent_version, news.agent_version());
    tell(row.firmware_version, news.firmware_version());
    tell(row.appliance_model, news.appliance_model());
    if (news.has_heartbeat()) {
        row.spool_bytes = as_signed(news.heartbeat().spool_bytes());
        row.rejected_lines = as_signed(news.heartbeat().rejected_lines());
    }
    return true;
}

std::vector<store::PresenceRow> PresenceBatch::rows() const {
    std::vector<store::PresenceRow> out;
    out.reserve(rows_.size());
    for (const auto& [rental, row] : rows_) {
        out.push_back(row);
    }
    return out;
}

}  // namespace mimamori::fleet
