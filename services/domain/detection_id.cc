#include "domain/detection_id.h"

#include <array>
#include <string>
#include <string_view>

#include "base/uuid5.h"

namespace mimamori::domain {
namespace {

// Made once at random; another one would give every detection another id.
constexpr base::Bytes16 streams_namespace{0x6f, 0x1d, 0x0b, 0x8a, 0x52, 0xc7, 0x4e, 0x3b,
                                          0x9a, 0x64, 0x2d, 0xe8, 0x11, 0x7c, 0x95, 0x40};

std::array<char, 8> big_endian(std::uint64_t value) {
    std::array<char, 8> out;
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<char>(value >> (56 - 8 * i) & 0xFFU);
    }
    return out;
}

}  // namespace

base::Bytes16 stream_uuid(base::RentalId rental, delivery::Lane lane, const delivery::SpoolId& spool_id) {
    const auto number = big_endian(static_cast<std::uint64_t>(rental.value));
    std::string name(number.data(), number.size());
    name.push_back(static_cast<char>(lane));
    name.append(reinterpret_cast<const char*>(spool_id.data()), spool_id.size());
    return base::uuid_v5(streams_namespace, name);
}

base::Bytes16 detection_id(const base::Bytes16& stream_uuid, delivery::Seq seq) {
    const auto name = big_endian(seq);
    return base::uuid_v5(stream_uuid, std::string_view{name.data(), name.size()});
}

}  // namespace mimamori::domain
