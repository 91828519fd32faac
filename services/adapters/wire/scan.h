// A bounds-checked walk over one message in protobuf's wire format (protobuf.dev, "Encoding"). Takes what libprotobuf
// takes and refuses what it refuses; does not know any message. Views point into the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mimamori::adapters::wire {

class Scan {
  public:
    explicit Scan(std::string_view bytes) : at_{bytes.data()}, end_{bytes.data() + bytes.size()} {}

    // Moves to the next field that is a number or bytes; others (fixed, groups) are passed over, as no message of ours has
    // them. False at the end or where the bytes are no message: ask failed().
    bool next();
    bool failed() const { return failed_; }

    std::uint32_t field() const { return field_; }
    bool is_number() const { return is_number_; }
    bool is_bytes() const { return !is_number_; }
    std::uint64_t number() const { return number_; }      // of a number
    std::string_view bytes() const { return bytes_; }     // of bytes

    // As int32, uint32 and open enums are read: the low half. As sint64: zigzag.
    std::uint32_t low() const { return static_cast<std::uint32_t>(number_); }
    std::int64_t zigzag() const {
        return static_cast<std::int64_t>(number_ >> 1U) ^ -static_cast<std::int64_t>(number_ & 1U);
    }

  private:
    bool fail() {
        failed_ = true;
        return false;
    }
    bool tag(std::uint32_t& out);
    bool long_tag(std::uint32_t& out);
    bool varint(std::uint64_t& out);
    bool long_varint(std::uint64_t& out);
    bool length(std::size_t& out);
    bool skip_fixed(std::size_t size);
    bool skip_group(std::uint32_t number, int depth);

    const char* at_;
    const char* end_;
    bool failed_ = false;
    bool is_number_ = false;
    std::uint32_t field_ = 0;
    std::uint64_t number_ = 0;
    std::string_view bytes_;
};

}  // namespace mimamori::adapters::wire
