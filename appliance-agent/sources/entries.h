// From what a line said to the entry for the spool: serialized, with its function and urgency, counted. Which line of
// which file or socket it was is its source's business.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "appliance-agent/sources/source.h"
#include "mimamori/detection/v1/detection.pb.h"

namespace mimamori::agent::sources {

class Entries {
  public:
    static constexpr std::size_t max_kinds = 32;  // of skipped lines that are told apart

    Entries(LineFormat format, const SourceOptions& options);

    // The whole of a line of a format whose lines stand alone (not EVE), and the bytes it took; nothing if it is of no
    // interest.
    std::optional<Produced> of_line(std::string_view line, std::uint64_t size);
    // `size`: of the line as it was found; `is_cut`: `text` is its beginning only.
    Produced rejected(std::string_view text, std::uint64_t size, bool is_cut, std::string_view reason);
    Produced event(detection::v1::Detection& detection);

    void set_lan(std::vector<domain::AddressRange> lan) { lan_ = std::move(lan); }
    const std::vector<domain::AddressRange>& lan() const { return lan_; }

    SourceStats stats;

  private:
    void skip(std::string_view kind);

    LineFormat format_;
    std::string source_id_;
    std::chrono::minutes assumed_utc_offset_;
    std::vector<domain::AddressRange> lan_;
};

}  // namespace mimamori::agent::sources
