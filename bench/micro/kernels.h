// What a correlator does with every event, each step alone, on fixed input: the traffic of bench/load in batches of
// 200. The same work each time, so that instructions can be compared between commits. Not PostgreSQL, not Kafka.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mimamori::bench {

struct Kernel {
    std::string name;
    std::uint64_t events;                // that one run handles
    std::function<std::uint64_t()> run;  // returns something that depends on all of its work
};

// Built once: compiles the shipped rule pack. The kernels share their input, which lives as long as the process.
const std::vector<Kernel>& kernels();

}  // namespace mimamori::bench
