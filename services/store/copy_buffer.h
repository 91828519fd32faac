// Builds a binary COPY stream (PostgreSQL manual, "COPY", section "Binary Format"). Columns in the table's order.
// Not a checker: the caller writes exactly `columns` fields a row.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/random.h"

namespace mimamori::store {

class CopyBuffer {
  public:
    explicit CopyBuffer(std::int16_t columns) : columns_{columns} { clear(); }

    void clear();
    void row() { big_endian(columns_); ++rows_; }
    void null() { big_endian(std::int32_t{-1}); }
    void boolean(bool value) { big_endian(std::int32_t{1}); data_.push_back(value ? '\1' : '\0'); }
    void smallint(std::int16_t value) { big_endian(std::int32_t{2}); big_endian(value); }
    void integer(std::int32_t value) { big_endian(std::int32_t{4}); big_endian(value); }
    void bigint(std::int64_t value) { big_endian(std::int32_t{8}); big_endian(value); }
    void text(std::string_view value);                    // valid UTF-8 without NUL
    void bytes(std::string_view value) { text(value); }   // bytea
    void bytes(std::span<const std::uint8_t> value) { text({reinterpret_cast<const char*>(value.data()), value.size()}); }
    void uuid(const base::Bytes16& value) { bytes(std::span<const std::uint8_t>{value}); }
    void timestamptz(std::int64_t us_since_1970);
    void timestamptz_or_null(std::int64_t us_since_1970) { us_since_1970 == 0 ? null() : timestamptz(us_since_1970); }

    std::size_t rows() const { return rows_; }
    std::string_view finish();  // adds the trailer; call once, then clear()

  private:
    template <class Int>
    void big_endian(Int value) {
        std::array<char, sizeof(Int)> bytes;
        for (std::size_t i = 0; i < sizeof(Int); ++i) {
            bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * (sizeof(Int) - 1 - i)) & 0xFF);
        }
        data_.append(bytes.data(), bytes.size());
    }
    std::int16_t columns_;
    std::size_t rows_ = 0;
    std::string data_;
};

}  // namespace mimamori::store
