// `--check-config`: would the agent work with these settings here? Looks, and leaves nothing behind.
#pragma once

#include <string>
#include <vector>

#include "appliance-agent/config.h"

namespace mimamori::agent {

struct Check {
    std::vector<std::string> errors;  // it would not work
    std::vector<std::string> notes;   // what it would do, and what it would wait for
};
Check check(const Config& config, base::Time real_now);

}  // namespace mimamori::agent
