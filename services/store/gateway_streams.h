// What the gateway asks of PostgreSQL: whose a certificate is, where streams stand, opening and closing them.
// Cursors are moved by the correlator alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "domain/delivery/types.h"
#include "store/connection.h"

namespace mimamori::store {

struct Appliance {  // a rental: an appliance at a site of a customer
    base::CustomerId customer;
    base::SiteId site;
    base::RentalId rental;
    base::ApplianceId appliance;
    std::vector<std::string> lan_ranges;  // CIDR
};

// Refused, with the reason, if the certificate is unknown or revoked or its rental does not run.
Expected<Appliance> find_appliance(Connection& connection, std::string_view fingerprint);

// SHA-256 fingerprints, 32 bytes each.
Expected<std::vector<std::string>> denied_certificates(Connection& connection);

using SpoolIds = std::array<std::optional<domain::delivery::SpoolId>, domain::delivery::lane_count>;

struct StreamState {
    base::StreamId id;
    domain::delivery::Cursor cursor;
};

struct StreamStates {
    std::array<std::optional<StreamState>, domain::delivery::lane_count> lanes;
    domain::delivery::LogPosition position;  // of the partition, in the same snapshot
};

// Where the streams of `rental` with these spools stand. Refused if PostgreSQL has no such partition.
Expected<StreamStates> read_streams(Connection& connection, base::RentalId rental, const SpoolIds& spools,
                                    std::int32_t partition);

struct Superseded {
    base::StreamId stream;
    domain::delivery::Lane lane;
    std::int64_t next_seq;
    std::int64_t last_assigned;
};

struct OpenedStreams {
    StreamStates states;
    std::vector<Superseded> superseded;  // each has an alarm
};

// An appliance that makes up spools must not fill the table.
inline constexpr std::int64_t max_new_streams_per_rental_and_day = 100;

// Hello: like read_streams, but unknown streams are inserted, and open predecessors on their lane are marked superseded
// with an alarm. Refused above the limit.
Expected<OpenedStreams> open_streams(Connection& connection, const Appliance& appliance, const SpoolIds& spools,
                                     std::int32_t partition);

Expected<void> note_assigned(Connection& connection, base::StreamId stream, domain::delivery::Seq last);

// Closes the stream for good, with an alarm and a row of what is lost at least; returns its final cursor. Closing a
// closed stream only returns the cursor.
Expected<domain::delivery::Cursor> close_forked_stream(Connection& connection, base::StreamId stream);

Expected<domain::delivery::Generation> read_generation(Connection& connection);

struct PartitionPosition {
    std::int32_t partition;
    domain::delivery::LogPosition position;
};
Expected<std::vector<PartitionPosition>> read_log_positions(Connection& connection);

// "partition 3, partition 5": whose lease ran out some time ago; empty if there is none.
Expected<std::string> unread_partitions(Connection& connection);

}  // namespace mimamori::store
