// Runs every kernel under callgrind and has it write down the instructions of each alone; gate.py starts it and reads
// them. Without valgrind it runs the kernels and counts nothing.
#include <valgrind/callgrind.h>

#include <cstdio>

#include "bench/micro/kernels.h"

int main() {
    const auto& kernels = mimamori::bench::kernels();
    std::uint64_t sum = 0;
    for (const auto& kernel : kernels) {
        sum += kernel.run();  // the first run grows buffers and binds symbols
    }
    for (const auto& kernel : kernels) {
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
        sum += kernel.run();
        CALLGRIND_DUMP_STATS_AT(kernel.name.c_str());
        CALLGRIND_STOP_INSTRUMENTATION;
        std::printf("%s\t%llu\n", kernel.name.c_str(), static_cast<unsigned long long>(kernel.events));
    }
    std::fprintf(stderr, "%llu\n", static_cast<unsigned long long>(sum));
    return 0;
}
