#include "store/copy_buffer.h"

#include <algorithm>

namespace mimamori::store {
namespace {

// PostgreSQL counts from 2000-01-01, and its range ends before that of 64-bit microseconds.
constexpr std::int64_t epoch_difference_us = 946'684'800'000'000;
constexpr std::int64_t earliest_us = -62'135'596'800'000'000;  // year 1
constexpr std::int64_t latest_us = 253'402'300'799'999'999;    // end of year 9999

}  // namespace

void CopyBuffer::clear() {
    using namespace std::string_view_literals;
    constexpr auto head = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"sv;
    rows_ = size_ = 0;
    std::copy(head.begin(), head.end(), grow(head.size()));
}

void CopyBuffer::text(std::string_view value) {
    char* const at = grow(sizeof(std::int32_t) + value.size());
    put(at, static_cast<std::int32_t>(value.size()));
    std::copy(value.begin(), value.end(), at + sizeof(std::int32_t));
}

void CopyBuffer::timestamptz(std::int64_t us_since_1970) {
    bigint(std::clamp(us_since_1970, earliest_us, latest_us) - epoch_difference_us);
}

std::string_view CopyBuffer::finish() {
    put(grow(sizeof(std::int16_t)), std::int16_t{-1});
    return {data_.data(), size_};
}

}  // namespace mimamori::store
