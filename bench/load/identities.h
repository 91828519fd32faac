// Certificates of many appliances at once, by the service's own authority code; `mimamori admin certificate issue`
// makes them one by one. Not the database: what it must know of them is printed.
#pragma once

#include <cstdint>
#include <string>

#include "base/failure.h"

namespace mimamori::bench {

// Makes OUT/<utm id>/agent.pem, agent.key and ca.pem for `count` appliances from utm id `first` on; prints a line for
// each: utm id, SHA-256 in hex, serial, not before and not after in microseconds, separated by tabs.
base::Expected<void> make_identities(const std::string& ca_folder, const std::string& out, std::uint64_t first,
                                     std::uint64_t count);

}  // namespace mimamori::bench
