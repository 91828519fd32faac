// Runs walks until enough steps are taken or a promise is broken; then prints the seed and the walk's trace.
//   mimamori_simulation --steps 1000000 --seed 1
//   mimamori_simulation --mutant no-tick --expect-violation      succeeds only if the mutant is found
//   mimamori_simulation --walk-seed 12345 --trace                one walk, told step by step
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "simulation/world.h"

using namespace mimamori::simulation;

namespace {

struct Options {
    std::uint64_t steps = 1'000'000, walks = UINT64_MAX, seed = 1;
    std::optional<std::uint64_t> walk_seed;
    Plan plan;
    bool expect_violation = false;
};

bool number(std::string_view text, std::uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

template <class Names>
std::optional<std::size_t> place(const Names& names, std::string_view name) {
    const auto at = std::find(names.begin(), names.end(), name);
    return at == names.end() ? std::nullopt : std::optional{static_cast<std::size_t>(at - names.begin())};
}

bool parse(int count, char** arguments, Options& options) {
    std::uint32_t without = 0, only = 0;
    for (int i = 1; i < count; ++i) {
        const std::string_view name = arguments[i];
        if (name == "--expect-violation") {
            options.expect_violation = true;
            continue;
        }
        if (name == "--trace") {
            options.plan.trace = true;
            continue;
        }
        if (++i == count) {
            return false;
        }
        const std::string_view value = arguments[i];
        std::uint64_t walk_seed = 0;
        bool good = false;
        if (name == "--steps") {
            good = number(value, options.steps);
        } else if (name == "--walks") {
            good = number(value, options.walks);
        } else if (name == "--seed") {
            good = number(value, options.seed);
        } else if (name == "--walk-seed" && (good = number(value, walk_seed))) {
            options.walk_seed = walk_seed;
        } else if (name == "--mutant") {
            const auto mutant = place(mutant_names, value);
            good = mutant.has_value();
            options.plan.mutant = static_cast<Mutant>(mutant.value_or(0));
        } else if (name == "--fault" || name == "--no-fault") {
            const auto fault = place(fault_names, value);
            good = fault.has_value();
            (name == "--fault" ? only : without) |= 1U << fault.value_or(0);
        }
        if (!good) {
            return false;
        }
    }
    options.plan.allowed_faults = (only != 0 ? only : options.plan.allowed_faults) & ~without;
    return true;
}

void usage() {
    std::fprintf(stderr,
                 "usage: mimamori_simulation [--steps N] [--walks N] [--seed N] [--walk-seed N] [--trace]\n"
                 "                           [--mutant NAME] [--expect-violation] [--fault NAME]... [--no-fault "
                 "NAME]...\nmutants:");
    for (const auto* name : mutant_names) {
        std::fprintf(stderr, " %s", name);
    }
    std::fprintf(stderr, "\nfaults:");
    for (const auto* name : fault_names) {
        std::fprintf(stderr, " %s", name);
    }
    std::fprintf(stderr, "\n");
}

}  // namespace

int main(int count, char** arguments) {
    Options options;
    if (!parse(count, arguments, options)) {
        usage();
        return 2;
    }
    const auto began = std::chrono::steady_clock::now();
    std::uint64_t steps = 0, walks = 0, faults = 0, rewinds = 0;
    std::uint32_t most_rewinds = 0;
    std::array<std::uint64_t, 8> applied{};
    Random seeds{options.seed};
    while (steps < options.steps && walks < options.walks) {
        options.plan.seed = options.walk_seed.value_or(seeds.next());
        World world{options.plan};
        const auto violation = world.walk();
        ++walks;
        steps += world.steps();
        faults += world.faults();
        rewinds += world.rewinds();
        most_rewinds = std::max(most_rewinds, world.most_rewinds());
        for (std::size_t i = 0; i < applied.size(); ++i) {
            applied[i] += world.kinds_applied()[i];
        }
        if (violation) {
            std::printf("VIOLATION after %llu walks and %llu steps, --walk-seed %llu: %s\n",
                        static_cast<unsigned long long>(walks), static_cast<unsigned long long>(steps),
                        static_cast<unsigned long long>(options.plan.seed), violation->what.c_str());
            if (!options.plan.trace && !options.expect_violation) {
                auto again = options.plan;
                again.trace = true;
                (void)World{again}.walk();
            }
            return options.expect_violation ? 0 : 1;
        }
        if (options.walk_seed) {
            break;
        }
    }
    const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    std::printf(
        "no violation: seed %llu, %llu walks, %llu steps, %llu faults, %llu rewinds (at most %u of a lane between two "
        "faults); batches applied %llu, "
        "tombstones %llu, damaged %llu, gone %llu, entries skipped %llu, quarantined %llu; %.1f s, %.0f steps/s\n",
        static_cast<unsigned long long>(options.seed), static_cast<unsigned long long>(walks),
        static_cast<unsigned long long>(steps), static_cast<unsigned long long>(faults),
        static_cast<unsigned long long>(rewinds), most_rewinds, static_cast<unsigned long long>(applied[1]),
        static_cast<unsigned long long>(applied[2]), static_cast<unsigned long long>(applied[3]),
        static_cast<unsigned long long>(applied[4]), static_cast<unsigned long long>(applied[5]),
        static_cast<unsigned long long>(applied[6]), took, static_cast<double>(steps) / took);
    if (options.expect_violation) {
        std::printf("the mutant %s was not found\n", mutant_names[static_cast<std::size_t>(options.plan.mutant)]);
        return 1;
    }
    return 0;
}
