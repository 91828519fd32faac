// The agent's frames on the wire and the gateway's words as the protocol's types. No state but the
// compressor's working memory, one for each thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "appliance-agent/spool/lane.h"
#include "domain/delivery/agent_link.h"
#include "mimamori/uplink/v1/uplink.pb.h"

namespace mimamori::agent::uplink {

namespace pb = ::mimamori::uplink::v1;
namespace delivery = domain::delivery;

struct BuiltBatch {
    pb::AgentFrame frame;
    delivery::Seq last = 0;       // the batch ends here; entries of the piece after it are left for the next
    std::uint64_t raw_bytes = 0;  // unpacked
};
// `send` is what the link wants sent, `piece` what the spool holds there. Unpacked size is at most `max_raw_bytes`: an
// entry that is too large for the gateway by itself goes out as a tombstone, or it would stop its lane for good.
BuiltBatch batch_of(const delivery::Send& send, const delivery::SpoolId& spool_id, spool::Piece&& piece,
                    std::size_t max_raw_bytes);

pb::AgentFrame gone_of(const delivery::Send& send, const delivery::SpoolId& spool_id);
pb::AgentFrame fork_of(delivery::Lane lane, const delivery::SpoolId& spool_id);

// Empty where the gateway's message is malformed.
std::optional<delivery::Lane> lane_of(int number);
std::optional<delivery::SpoolId> bytes16_of(const std::string& bytes);
std::optional<delivery::LaneCursor> cursor_of(const pb::Settled& settled);

std::string bytes_of(const std::array<std::uint8_t, 16>& value);

}  // namespace mimamori::agent::uplink
