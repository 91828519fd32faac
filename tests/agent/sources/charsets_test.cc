#include "appliance-agent/sources/charsets/convert.h"

#include <iconv.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <random>

namespace mimamori::agent::sources {
namespace {

// glibc's CP949 refuses this pair only after stepping over it, so that what it then says of the rest is no measure.
constexpr std::string_view stepped_over = "\xA2\xE8";

// What the C library of this machine says, with U+FFFD for each byte that it refuses.
std::string library_says(iconv_t converter, std::string bytes) {
    std::string out(4 * bytes.size() + 16, '\0');
    char* from = bytes.data();
    char* to = out.data();
    std::size_t left = bytes.size();
    std::size_t room = out.size();
    while (::iconv(converter, &from, &left, &to, &room) == static_cast<std::size_t>(-1)) {
        REQUIRE(errno != E2BIG);
        for (const char byte : std::string_view{"\xEF\xBF\xBD"}) {
            *to++ = byte;
            --room;
        }
        ++from;
        --left;
        ::iconv(converter, nullptr, nullptr, nullptr, nullptr);
    }
    out.resize(out.size() - room);
    return out;
}

TEST_CASE("every sequence of bytes becomes what the C library makes of it") {
    const std::pair<const char*, const Charset*> charsets[] = {{"ASCII", &ascii},      {"CP1252", &cp1252},
                                                               {"CP932", &cp932},      {"CP949", &cp949},
                                                               {"EUC-JP-MS", &euc_jp}, {"GB18030", &gb18030}};
    for (const auto& [name, charset] : charsets) {
        INFO(name);
        const iconv_t converter = ::iconv_open("UTF-8", name);
        REQUIRE(converter != reinterpret_cast<iconv_t>(-1));
        for (unsigned lead = 1; lead < 256; ++lead) {
            for (unsigned trail = 0; trail < 256; ++trail) {
                const std::string bytes{static_cast<char>(lead), static_cast<char>(trail)};
                if (bytes.find(stepped_over) == std::string::npos &&
                    to_utf8(*charset, bytes) != library_says(converter, bytes)) {
                    FAIL_CHECK("bytes " << std::hex << lead << " " << trail);
                }
            }
        }
        std::mt19937 random{1};
        for (int i = 0; i < 100'000; ++i) {
            std::string bytes;
            for (unsigned length = 1 + random() % 8; length > 0; --length) {
                const auto kind = random() % 4;  // digits and high bytes make the longer sequences
                bytes.push_back(static_cast<char>(kind == 0   ? 0x30 + random() % 10
                                                  : kind == 1 ? 0x81 + random() % 16
                                                              : random() % 256));
            }
            if (bytes.find(stepped_over) == std::string::npos &&
                to_utf8(*charset, bytes) != library_says(converter, bytes)) {
                std::string shown;
                for (const char byte : bytes) {
                    shown += std::to_string(static_cast<unsigned char>(byte)) + " ";
                }
                FAIL("bytes " << shown);
            }
        }
        ::iconv_close(converter);
    }
}

}  // namespace
}  // namespace mimamori::agent::sources
