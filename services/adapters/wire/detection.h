// The payloads of spooled entries (mimamori.detection.v1) as views into their bytes. Refuses what libprotobuf refuses, and
// what could not be stored: numbers this version does not know, ports that are none, NUL in text.
#pragma once

#include <cstdint>
#include <string_view>

#include <tl/expected.hpp>

#include "domain/detection.h"

namespace mimamori::adapters::wire {

// What is wrong, for a person; a constant.
template <class T>
using Decoded = tl::expected<T, std::string_view>;

Decoded<domain::DetectionView> decode_detection(std::string_view payload);

struct BlockView {
    std::string_view kind, key, category;
    std::int64_t observed_at_us = 0, spooled_at_us = 0, clock_offset_us = 0;
    std::uint64_t count = 0;
};
// `kind` is "url" or "ip", `key` is not empty, `count` is between 1 and 10^12.
Decoded<BlockView> decode_block(std::string_view payload);

struct RejectedView {
    std::string_view raw, reason, source_format, source_id;
    bool raw_truncated = false;
    std::uint64_t raw_size = 0;
    std::int64_t spooled_at_us = 0;
};
Decoded<RejectedView> decode_rejected(std::string_view payload);

}  // namespace mimamori::adapters::wire
