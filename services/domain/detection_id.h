// A detection's id: UUIDv5 of its stream and sequence, so that the same entry has the same id wherever it is made.
#pragma once

#include "base/ids.h"
#include "base/random.h"
#include "domain/delivery/types.h"

namespace mimamori::domain {

// The namespace of a stream's detections, from (rental, lane, spool id): not from the row's number in a database.
base::Bytes16 stream_uuid(base::RentalId rental, delivery::Lane lane, const delivery::SpoolId& spool_id);

base::Bytes16 detection_id(const base::Bytes16& stream_uuid, delivery::Seq seq);

}  // namespace mimamori::domain
