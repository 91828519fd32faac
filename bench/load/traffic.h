// What the appliances report: a fixed set of detections and blocks, made once from lines of the native format by the
// agent's own parser, so that their bytes are what an agent would spool. The mix of functions and directions is that of
// the pilot region in tests/data/pilot, with logged sites and applications added; names are a few thousand, some of
// them known to no rule. The same seed gives the same set. Not random at run time: which line comes next is the
// caller's counter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "domain/delivery/types.h"

namespace mimamori::bench {

struct Line {
    domain::delivery::EntryKind kind = domain::delivery::EntryKind::event;
    domain::delivery::Lane lane = domain::delivery::Lane::normal;
    std::uint8_t class_byte = 0;  // function, urgency: as the agent's spool keeps it
    std::string payload;          // without times
    std::string block_key;        // of a block: "url<TAB>ads1.example"
    std::uint64_t block_count = 0;
};

class Traffic {
  public:
    enum class What { detections, blocks, mixed };  // mixed: as on an appliance, three blocks for each detection
    explicit Traffic(What what);

    const Line& line(std::uint32_t number) const { return lines_[number % lines_.size()]; }
    std::uint32_t size() const { return static_cast<std::uint32_t>(lines_.size()); }
    // The payload of an entry: the line's with its times, as the agent stamps it. Replaces `out`.
    void payload(std::uint32_t number, std::int64_t time_us, std::string& out) const;

  private:
    std::vector<Line> lines_;
};

}  // namespace mimamori::bench
