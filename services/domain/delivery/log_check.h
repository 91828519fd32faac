// Is the log still the one that was read? Asked at start, after a broker error, and when the stored offset is out of
// range (the log was wiped, its tail was lost, retention passed). librdkafka 2.0.2 does not tell topic ids; a random id
// on each record does.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "domain/delivery/types.h"

namespace mimamori::domain::delivery {

using RecordId = std::array<std::uint8_t, 16>;

struct StoredPosition {  // as committed
    LogPosition position;
    std::optional<RecordId> last_record;  // id of the record before next_offset; empty if none was read in this log
};

struct LogEnds {             // as the broker says
    std::int64_t begin = 0;  // first offset held
    std::int64_t end = 0;    // one above the last
};

struct LogCheck {
    enum class Why {
        same_log,        // go on where the position says
        never_read,      // nothing was read yet and the log is where it should be
        record_differs,  // the record before the offset is another one
        record_missing,  // it is not held any more, or not yet written again
        beyond_end,      // the offset lies outside what the log holds
    };
    Why why = Why::same_log;
    LogPosition start{};  // where to read on; log_no is one higher unless it is the same log
    bool same() const { return why == Why::same_log || why == Why::never_read; }
};

// `record_before`: id of the record at next_offset - 1 as read now; empty if there is none there.
LogCheck check_log(const StoredPosition& stored, const LogEnds& ends, const std::optional<RecordId>& record_before);

}  // namespace mimamori::domain::delivery
