#include "adapters/wire/scan.h"

namespace mimamori::adapters::wire {
namespace {

// libprotobuf's own limits.
constexpr int deepest_group = 100;
constexpr std::uint64_t longest_bytes = 0x7FFFFFFFULL - 16;

enum WireType : std::uint32_t { varint_type = 0, fixed64_type = 1, bytes_type = 2, group_begin = 3, group_end = 4, fixed32_type = 5 };

}  // namespace

// Nearly all are one byte long, those of numbers of fields above 15 two.
inline bool Scan::tag(std::uint32_t& out) {
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) {
        out = static_cast<unsigned char>(*at_++);
        return out >> 3U != 0 || fail();
    }
    if (end_ - at_ > 1 && static_cast<unsigned char>(at_[1]) < 0x80) {
        out = (static_cast<unsigned char>(at_[0]) & 0x7FU) | static_cast<std::uint32_t>(at_[1]) << 7U;
        at_ += 2;
        return out >> 3U != 0 || fail();
    }
    return long_tag(out);
}

bool Scan::long_tag(std::uint32_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (at_ == end_) {
            return fail();
        }
        const auto byte = static_cast<unsigned char>(*at_++);
        out |= static_cast<std::uint32_t>(byte & 0x7FU) << shift;
        if (byte < 0x80) {
            return out >> 3U != 0 || fail();
        }
    }
    return fail();
}

inline bool Scan::varint(std::uint64_t& out) {
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) {
        out = static_cast<unsigned char>(*at_++);
        return true;
    }
    return long_varint(out);
}

bool Scan::long_varint(std::uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (at_ == end_) {
            return fail();
        }
        const auto byte = static_cast<unsigned char>(*at_++);
        out |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return fail();
}

inline bool Scan::length(std::size_t& out) {
    std::uint64_t size = 0;
    const char* const begin = at_;
    if (!varint(size)) {
        return false;
    }
    if (at_ - begin > 5 || size > longest_bytes || size > static_cast<std::uint64_t>(end_ - at_)) {
        return fail();
    }
    out = static_cast<std::size_t>(size);
    return true;
}

bool Scan::skip_fixed(std::size_t size) {
    if (static_cast<std::size_t>(end_ - at_) < size) {
        return fail();
    }
    at_ += size;
    return true;
}

// Groups are long out of use, but libprotobuf passes over unknown ones.
bool Scan::skip_group(std::uint32_t number, int depth) {
    if (depth > deepest_group) {
        return fail();
    }
    for (;;) {
        std::uint32_t key = 0;
        if (!tag(key)) {
            return false;
        }
        std::uint64_t ignored = 0;
        std::size_t size = 0;
        switch (key & 7U) {
            case varint_type:
                if (!varint(ignored)) {
                    return false;
                }
                break;
            case fixed64_type:
                if (!skip_fixed(8)) {
                    return false;
                }
                break;
            case bytes_type:
                if (!length(size) || !skip_fixed(size)) {
                    return false;
                }
                break;
            case group_begin:
                if (!skip_group(key >> 3U, depth + 1)) {
                    return false;
                }
                break;
            case group_end:
                return key >> 3U == number || fail();
            case fixed32_type:
                if (!skip_fixed(4)) {
                    return false;
                }
                break;
            default:
                return fail();
        }
    }
}

bool Scan::next() {
    while (!failed_ && at_ != end_) {
        std::uint32_t key = 0;
        if (!tag(key)) {
            return false;
        }
        field_ = key >> 3U;
        std::size_t size = 0;
        switch (key & 7U) {
            case varint_type:
                is_number_ = true;
                return varint(number_);
            case bytes_type:
                is_number_ = false;
                if (!length(size)) {
                    return false;
                }
                bytes_ = {at_, size};
                at_ += size;
                return true;
            case fixed64_type:
                skip_fixed(8);
                break;
            case fixed32_type:
                skip_fixed(4);
                break;
            case group_begin:
                skip_group(field_, 1);
                break;
            default:
                fail();
        }
    }
    return false;
}

}  // namespace mimamori::adapters::wire
