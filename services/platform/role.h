// What a role's folder offers to main.cc. Each long-running role declares in services/<role>/role.h, in its own
// namespace, these two functions:
//
//   // Reads every section the role uses; used by --check-config.
//   base::Expected<void> check(const platform::Config& config);
//   // Builds the parts and returns process.run()'s result.
//   base::Expected<void> run(platform::Process& process, const platform::Config& config);
#pragma once

#include <string_view>

#include "base/failure.h"
#include "platform/config.h"
#include "platform/process.h"

namespace mimamori::platform {

struct Role {
    std::string_view name;
    std::string_view help;
    base::Expected<void> (*check)(const Config& config);
    base::Expected<void> (*run)(Process& process, const Config& config);
};

}  // namespace mimamori::platform
