// Unpacks the entries of a batch within their declared size.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/wire/log_record.h"

namespace mimamori::adapters::wire {

inline constexpr std::size_t largest_batch = 8U << 20U;  // unpacked bytes

// One per thread: keeps zstd's working memory.
class Unpacker {
  public:
    Unpacker();
    ~Unpacker();
    Unpacker(const Unpacker&) = delete;
    Unpacker& operator=(const Unpacker&) = delete;

    // The list's bytes: the packed data itself, or `buffer` (replaced). Refuses what is not exactly of the declared size,
    // and never writes more than that.
    Decoded<std::string_view> unpack(const PackedView& packed, std::string& buffer);

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

}  // namespace mimamori::adapters::wire
