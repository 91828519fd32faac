#include "appliance-agent/sources/sonicwall.h"

#include "fuzz/line_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mimamori;
    fuzz::check_line(agent::sources::parse_sonicwall(
        {reinterpret_cast<const char*>(data), size},
        {.assumed_utc_offset = std::chrono::minutes{540}, .lan = domain::private_ranges()}));
    return 0;
}
