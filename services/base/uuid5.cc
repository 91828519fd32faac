#include "base/uuid5.h"

#include <algorithm>
#include <string>

#include "base/sha1.h"

namespace mimamori::base {

Bytes16 uuid_v5(const Bytes16& space, std::string_view name) {
    const auto hash = [&] {
        std::array<char, 48> small;  // nearly all names are: spares an allocation
        if (space.size() + name.size() <= small.size()) {
            std::copy(name.begin(), name.end(), std::copy(space.begin(), space.end(), small.begin()));
            return sha1({small.data(), space.size() + name.size()});
        }
        return sha1(std::string{space.begin(), space.end()}.append(name));
    }();
    Bytes16 out;
    std::copy_n(hash.begin(), out.size(), out.begin());
    out[6] = static_cast<std::uint8_t>((out[6] & 0x0FU) | 0x50U);
    out[8] = static_cast<std::uint8_t>((out[8] & 0x3FU) | 0x80U);
    return out;
}

}  // namespace mimamori::base
