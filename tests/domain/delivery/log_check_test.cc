#include <catch2/catch.hpp>

#include "domain/delivery/log_check.h"

using namespace mimamori::domain::delivery;
using Why = LogCheck::Why;

TEST_CASE("whether the log is still the one that was read") {
    const RecordId ours{1}, other{2};
    struct Row {
        const char* sentence;
        std::int64_t next_offset;
        std::optional<RecordId> last_record;
        LogEnds ends;
        std::optional<RecordId> record_before;
        Why why;
        LogPosition start;
    };
    const std::vector<Row> rows{
        {"the record before the offset is ours: read on", 50, ours, {10, 90}, ours, Why::same_log, {3, 50}},
        {"everything was read: wait at the end", 90, ours, {10, 90}, ours, Why::same_log, {3, 90}},
        {"a new, empty log", 0, {}, {0, 0}, {}, Why::never_read, {3, 0}},
        {"a new log, nothing read yet", 0, {}, {0, 7}, {}, Why::never_read, {3, 0}},
        {"nothing was read of this log, and its head is gone already", 0, {}, {5, 7}, {}, Why::beyond_end, {4, 5}},
        {"a position in the middle with nothing read says nothing", 6, {}, {5, 9}, {}, Why::record_missing, {4, 5}},
        {"another record stands there: the log was made anew", 50, ours, {0, 90}, other, Why::record_differs, {4, 0}},
        {"the log was wiped", 50, ours, {0, 0}, {}, Why::beyond_end, {4, 0}},
        {"the tail was lost in a crash", 50, ours, {10, 49}, {}, Why::beyond_end, {4, 10}},
        {"retention passed the offset", 50, ours, {60, 90}, {}, Why::beyond_end, {4, 60}},
        {"retention took just the record before the offset", 50, ours, {50, 90}, {}, Why::record_missing, {4, 50}},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto check = check_log({{3, row.next_offset}, row.last_record}, row.ends, row.record_before);
        CHECK(check.why == row.why);
        CHECK(check.start == row.start);
        CHECK(check.same() == (row.start.log_no == 3));
    }
}
