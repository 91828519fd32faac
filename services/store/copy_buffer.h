// Builds a binary COPY stream (PostgreSQL manual, "COPY", section "Binary Format"). Columns in the table's order.
// Not a checker: the caller writes exactly `columns` fields a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace mimamori::store {

class CopyBuffer {
  public:
    explicit CopyBuffer(std::int16_t columns) : columns_{columns} { clear(); }

    void clear();
    void row() {
        put(grow(sizeof columns_), columns_);
        ++rows_;
    }
    void null() { put(grow(sizeof(std::int32_t)), std::int32_t{-1}); }
    void boolean(bool value) { field(static_cast<std::int8_t>(value)); }
    void smallint(std::int16_t value) { field(value); }
    void integer(std::int32_t value) { field(value); }
    void bigint(std::int64_t value) { field(value); }
    void text(std::string_view value);                    // valid UTF-8 without NUL
    void bytes(std::string_view value) { text(value); }   // bytea
    void bytes(std::span<const std::uint8_t> value) { text({reinterpret_cast<const char*>(value.data()), value.size()}); }
    void uuid(const base::Bytes16& value) { bytes(std::span<const std::uint8_t>{value}); }
    void timestamptz(std::int64_t us_since_1970);
    void timestamptz_or_null(std::int64_t us_since_1970) { us_since_1970 == 0 ? null() : timestamptz(us_since_1970); }

    std::size_t rows() const { return rows_; }
    std::string_view finish();  // adds the trailer; call once, then clear()

  private:
    // Room for so many bytes more; lasts until the next call.
    char* grow(std::size_t bytes) {
        if (data_.size() - size_ < bytes) {
            data_.resize(2 * (size_ + bytes));
        }
        size_ += bytes;
        return data_.data() + size_ - bytes;
    }
    template <class Int>
    static void put(char* at, Int value) {
#pragma GCC unroll 8  // the compiler sees one swapped store
        for (std::size_t i = 0; i < sizeof value; ++i) {
            at[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * (sizeof value - 1 - i)) & 0xFF);
        }
    }
    template <class Int>
    void field(Int value) {
        char* const at = grow(sizeof(std::int32_t) + sizeof value);
        put(at, static_cast<std::int32_t>(sizeof value));
        put(at + sizeof(std::int32_t), value);
    }
    std::int16_t columns_;
    std::size_t rows_ = 0;
    std::size_t size_ = 0;    // of what is written
    std::vector<char> data_;  // and room beyond
};

}  // namespace mimamori::store
