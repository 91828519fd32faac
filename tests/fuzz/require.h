// What must hold of every input: said with a reason before the process ends, so that the driver keeps the input.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace mimamori::fuzz {

inline void require(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "fuzz: does not hold: %s\n", what);
        std::abort();
    }
}

}  // namespace mimamori::fuzz
