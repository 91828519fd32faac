#include "base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace mimamori::base {

void fill_random(std::span<std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const auto got = ::getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0 && errno != EINTR) {
            std::abort();
        }
        bytes = bytes.subspan(got < 0 ? 0 : static_cast<std::size_t>(got));
    }
}

Bytes16 random_bytes16() {
    Bytes16 out{};
    fill_random(out);
    return out;
}

std::uint64_t random_u64() {
    std::array<std::uint8_t, 8> bytes{};
    fill_random(bytes);
    std::uint64_t out = 0;
    std::memcpy(&out, bytes.data(), bytes.size());
    return out;
}

Bytes16 random_uuid() {
    Bytes16 uuid = random_bytes16();
    uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0F) | 0x40);
    uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3F) | 0x80);
    return uuid;
}

std::string uuid_text(const Bytes16& uuid) {
    std::string hex = to_hex(uuid);
    for (const std::size_t at : {8U, 13U, 18U, 23U}) {
        hex.insert(at, 1, '-');
    }
    return hex;
}

}  // namespace mimamori::base
