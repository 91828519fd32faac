// Times of the kernels with Google Benchmark: for a look at one machine. What is held between commits are instructions
// (gate.py).
#include <benchmark/benchmark.h>

#include "bench/micro/kernels.h"

int main(int argc, char** argv) {
    for (const auto& kernel : mimamori::bench::kernels()) {
        benchmark::RegisterBenchmark(kernel.name.c_str(), [&kernel](benchmark::State& state) {
            for (auto _ : state) {
                benchmark::DoNotOptimize(kernel.run());
            }
            state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kernel.events));
        });
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 1;
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
