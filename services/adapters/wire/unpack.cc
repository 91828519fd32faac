#include "adapters/wire/unpack.h"

#include <zstd.h>

#include <new>

namespace mimamori::adapters::wire {

struct Unpacker::Context {
    Context() : zstd{ZSTD_createDCtx()} {
        if (zstd == nullptr) {
            throw std::bad_alloc{};
        }
    }
    ~Context() { ZSTD_freeDCtx(zstd); }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ZSTD_DCtx* zstd;
};

Unpacker::Unpacker() : context_{std::make_unique<Context>()} {}
Unpacker::~Unpacker() = default;

Decoded<std::string_view> Unpacker::unpack(const PackedView& packed, std::string& buffer) {
    if (packed.raw_size > largest_batch) {
        return tl::unexpected{std::string_view{"a declared size above the limit"}};
    }
    if (!packed.zstd) {
        if (packed.data.size() != packed.raw_size) {
            return tl::unexpected{std::string_view{"a declared size that is not the data's"}};
        }
        return packed.data;
    }
    buffer.resize(packed.raw_size);
    const auto size =
        ZSTD_decompressDCtx(context_->zstd, buffer.data(), buffer.size(), packed.data.data(), packed.data.size());
    if (ZSTD_isError(size) != 0 || size != packed.raw_size) {
        return tl::unexpected{std::string_view{"packed data that does not unpack to its declared size"}};
    }
    return std::string_view{buffer};
}

}  // namespace mimamori::adapters::wire
