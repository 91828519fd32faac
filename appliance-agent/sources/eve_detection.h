// From an EVE alert and what its flow told to a Detection. Suricata writes an alert before or after the events that
// name its file or its mail, so both orders are joined by flow_id and, where both have one, by transaction.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <unordered_map>
#include <vector>

#include "appliance-agent/sources/eve_event.h"
#include "domain/direction.h"
#include "mimamori/detection/v1/detection.pb.h"

namespace mimamori::agent::sources {

// The last facts of the flows seen last: at most `max_flows` flows, `facts_per_flow` facts of each, and about
// `max_bytes` of all.
class FlowFacts {
  public:
    static constexpr std::size_t facts_per_flow = 16;
    FlowFacts(std::size_t max_flows, std::size_t max_bytes) : max_flows_(max_flows), max_bytes_(max_bytes) {}

    void note(std::uint64_t flow_id, EveFact fact);
    const std::deque<EveFact>* of(std::uint64_t flow_id) const;  // oldest first; null if none
    std::size_t flows() const { return order_.size(); }
    std::size_t bytes() const { return bytes_; }

  private:
    struct Flow {
        std::uint64_t id;
        std::deque<EveFact> facts;
    };
    void forget_oldest_flow();
    void forget_oldest_fact(Flow& flow);

    std::size_t max_flows_;
    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::list<Flow> order_;  // least recently noted first
    std::unordered_map<std::uint64_t, std::list<Flow>::iterator> by_id_;
};

// Adds what `fact` knows and `alert` lacks. True if anything was added.
bool add_fact(EveAlert& alert, const EveFact& fact);

// True while another event of the flow may still bring a file, a mail or a site.
bool lacks_companion(const EveAlert& alert);

// Function, ends and name by the rules of eve_rules.h:
//   AV if a file rule fired and the file is known; the source is the file's sender. A file known only from a fileinfo
//   event counts if it moved in the direction of the packet that fired the rule.
//   Else the source is the flow's initiator if the event names it, or the packet's source.
detection::v1::Detection to_detection(const EveAlert& alert, const std::vector<domain::AddressRange>& lan);

}  // namespace mimamori::agent::sources
