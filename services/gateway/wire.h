// Between the messages of the uplink and the words of the domain. Checks the shape of what an agent sent: sizes of ids and
// hashes, numbers of lanes, lengths that must match. Whether it fits the session is GatewaySession's question.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/delivery/gateway_session.h"
#include "domain/delivery/types.h"
#include "mimamori/uplink/v1/log.pb.h"
#include "mimamori/uplink/v1/uplink.pb.h"

namespace mimamori::gateway {

namespace delivery = domain::delivery;
namespace pb = uplink::v1;

struct Malformed {
    std::string_view reason;
};
template <class T>
using Parsed = std::variant<T, Malformed>;

Parsed<std::vector<delivery::HelloLane>> lanes_of(const pb::Hello& hello);
Parsed<delivery::Envelope> envelope_of(const pb::Batch& batch);
Parsed<delivery::Envelope> envelope_of(const pb::Gone& gone);

struct Fork {
    delivery::Lane lane;
    delivery::SpoolId spool_id;
};
Parsed<Fork> fork_of(const pb::ForkRequest& request);

struct ProgressRecord {
    delivery::Generation generation;
    std::int32_t partition;
    delivery::LogPosition position;
    struct Stream {
        std::int64_t rental_id;
        delivery::Lane lane;
        delivery::SpoolId spool_id;
        delivery::Cursor cursor;
    };
    std::vector<Stream> streams;
};
Parsed<ProgressRecord> progress_of(std::string_view record);

std::string bytes_of(const std::array<std::uint8_t, 16>& value);
pb::Settled settled_of(delivery::Lane lane, const delivery::SpoolId& spool_id, const delivery::Cursor& cursor);

}  // namespace mimamori::gateway
