// What the load generator is asked to do.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/traffic.h"

namespace mimamori::bench {

// Entries become due at `rate` a second over all appliances, whatever the service does; or, with rate `closed`, as fast
// as what was settled makes room in the windows; or not at all (0: only heartbeats).
struct Phase {
    static constexpr double closed = -1;
    double rate = 0;
    std::chrono::microseconds length{0};
};

struct Options {
    std::string address, identities, out;
    std::size_t connections = 1;
    std::size_t first = 0;  // identities left out before the first one used
    std::size_t threads = 1;
    std::size_t opening_at_once = 64;            // handshakes under way
    std::size_t window = 4000;                   // entries under way of one appliance; its memory is bounded by it
    std::size_t batch = 200;                     // entries of one batch
    std::chrono::milliseconds batch_delay{500};  // of the lanes that are not urgent, as the agent's setting
    Traffic::What what = Traffic::What::detections;
    std::vector<Phase> phases;
    std::chrono::milliseconds warm_up{0};  // of the first phase: not counted in the latencies
    std::chrono::seconds drain{120};       // after the last phase until all is settled
    std::chrono::seconds opening{300};     // until all are connected
    // Of PostgreSQL, to see when rows are visible; empty: not watched.
    std::string postgres_host;
    std::uint16_t postgres_port = 0;
    std::string postgres_database;
    std::chrono::milliseconds watch_interval{5};
};

}  // namespace mimamori::bench
