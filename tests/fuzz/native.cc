#include "appliance-agent/sources/native.h"

#include "fuzz/line_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mimamori;
    fuzz::check_line(
        agent::sources::parse_native({reinterpret_cast<const char*>(data), size}, std::chrono::minutes{540}));
    return 0;
}
