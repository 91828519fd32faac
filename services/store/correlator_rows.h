// Rows that go in by binary COPY: one per entry. Views must live until the row is appended.
#pragma once

#include <optional>
#include <string_view>

#include "base/ids.h"
#include "domain/delivery/types.h"
#include "domain/detection.h"
#include "store/connection.h"
#include "store/copy_buffer.h"

namespace mimamori::store {

struct EntryPlace {  // which entry of whom
    base::Time received{};
    base::StreamId stream;
    domain::delivery::Seq seq = 0;
    domain::delivery::Hash128 digest{};
    base::CustomerId customer;
    base::RentalId rental;
};

struct DetectionRow {
    EntryPlace place;
    base::Bytes16 id{};
    base::SiteId site;
    base::ApplianceId appliance;
    std::optional<base::Time> corrected;
    domain::Direction direction = domain::Direction::unknown;
    domain::Severity severity = domain::Severity::none;
    bool mailable = false;
    std::int64_t pack_id = 0;
    std::string_view rule_id, class_id;
    std::optional<base::FindingId> finding;
};

struct QuarantineRow {
    EntryPlace place;
    bool rejected = false;  // by the agent; else quarantined here
    std::int16_t entry_kind = 0;
    std::string_view reason;   // valid UTF-8 without NUL
    std::string_view payload;  // as it came
};

// Buffers of the right width, to be filled row by row and copied.
CopyBuffer detection_buffer();
CopyBuffer quarantine_buffer();
void append(CopyBuffer& buffer, const DetectionRow& row, const domain::DetectionView& detection);
void append(CopyBuffer& buffer, const QuarantineRow& row);
Expected<void> copy_detections(Connection& connection, CopyBuffer& buffer);
Expected<void> copy_quarantine(Connection& connection, CopyBuffer& buffer);

}  // namespace mimamori::store
