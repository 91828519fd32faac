#include "appliance-agent/sources/eve_detection.h"
#include "fuzz/line_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mimamori;
    auto event = agent::sources::parse_eve({reinterpret_cast<const char*>(data), size}, std::chrono::minutes{540});
    if (event && event->alert) {
        if (event->fact) {
            agent::sources::add_fact(*event->alert, *event->fact);
        }
        fuzz::check_entry(agent::sources::to_detection(*event->alert, domain::private_ranges()));
    }
    return 0;
}
