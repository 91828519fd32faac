// Folds presence news into at most one row a rental, as the table would have taken them one by one. Pure; not the table.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "mimamori/uplink/v1/log.pb.h"
#include "store/fleet_presence.h"

namespace mimamori::fleet {

class PresenceBatch {
  public:
    // In the order of the topic. False where the message says nothing usable: no rental, no session, no kind.
    // Older news than what is known, and the end of a session that another has replaced, change nothing.
    bool add(const uplink::v1::Presence& news);

    std::vector<store::PresenceRow> rows() const;
    std::size_t size() const { return rows_.size(); }

  private:
    std::map<base::RentalId, store::PresenceRow> rows_;
};

}  // namespace mimamori::fleet
