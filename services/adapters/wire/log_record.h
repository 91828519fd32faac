// One record of the batches topic (mimamori.uplink.v1.LogRecord) and the list of entries it packs, as views into their
// bytes. Checks shapes: sizes of ids and hashes, known lanes, one body. What the record means is the domain's question.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "adapters/wire/detection.h"
#include "base/ids.h"
#include "domain/delivery/types.h"

namespace mimamori::adapters::wire {

struct PackedView {
    std::string_view data;
    bool zstd = false;
    std::uint32_t raw_size = 0;  // declared; unpack() holds the data to it
    std::uint32_t count = 0;
};

struct TombstoneView {
    std::int64_t oldest_observed_us = 0, newest_observed_us = 0;
    std::string_view digests;  // 16 bytes an entry, or empty: damaged
    std::string_view classes;  // one byte an entry, or empty
    domain::delivery::Hash128 h_after{};  // of a damaged one
};

enum class Body { tick, entries, tombstone, gone };

struct LogRecordView {
    std::array<std::uint8_t, 16> record_id{};
    base::CustomerId customer;
    base::RentalId rental;
    std::int64_t received_at_us = 0;
    std::int64_t clock_offset_us = 0;
    Body body = Body::tick;
    // Of a batch or gone:
    domain::delivery::Lane lane = domain::delivery::Lane::normal;
    domain::delivery::SpoolId spool_id{};
    domain::delivery::Seq first = 0, last = 0;
    domain::delivery::Hash128 hash{};  // H before `first`; of gone H after `last`
    PackedView entries;
    TombstoneView tombstone;
};
Decoded<LogRecordView> decode_log_record(std::string_view bytes);

struct EntryView {
    std::uint32_t kind = 0;
    std::string_view payload;
    bool suspect = false;
    domain::delivery::SuspectOf suspect_of;
};
// Exactly `count` entries, or a refusal; `out` is replaced and never grows beyond `count`.
Decoded<void> decode_entries(std::string_view list, std::uint32_t count, std::vector<EntryView>& out);

}  // namespace mimamori::adapters::wire
