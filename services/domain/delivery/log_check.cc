#include "domain/delivery/log_check.h"

namespace mimamori::domain::delivery {

LogCheck check_log(const StoredPosition& stored, const LogEnds& ends, const std::optional<RecordId>& record_before) {
    const auto from_the_beginning = [&](LogCheck::Why why) {
        return LogCheck{why, {stored.position.log_no + 1, ends.begin}};
    };
    const auto offset = stored.position.next_offset;
    if (offset < ends.begin || offset > ends.end) {
        return from_the_beginning(LogCheck::Why::beyond_end);
    }
    if (!stored.last_record) {
        // Nothing of this log was read; it may only be read from its very beginning.
        return offset == ends.begin ? LogCheck{LogCheck::Why::never_read, stored.position}
                                    : from_the_beginning(LogCheck::Why::record_missing);
    }
    if (!record_before) {
        return from_the_beginning(LogCheck::Why::record_missing);
    }
    if (*record_before != *stored.last_record) {
        return from_the_beginning(LogCheck::Why::record_differs);
    }
    return {LogCheck::Why::same_log, stored.position};
}

}  // namespace mimamori::domain::delivery
