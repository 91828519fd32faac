// What each batch of a poll does to its stream: passed over, applied from the cursor on, a loss, or the end of the stream.
// Decided in memory by the rules of domain/delivery; written by PollApplier.
#pragma once

#include <cstdint>
#include <map>

#include "correlator/poll.h"

namespace mimamori::correlator {

using StreamIndex = std::map<store::StreamKey, std::uint32_t>;  // into Poll::streams

// Moves the streams' cursors, fills taken, losses, alarms and the counts. `partition`: for what is said.
void decide_batches(Poll& poll, const StreamIndex& index, std::int32_t partition);

}  // namespace mimamori::correlator
