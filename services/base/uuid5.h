// Ids that follow from names: UUIDv5 of RFC 9562, section 5.5.
#pragma once

#include <string_view>

#include "base/random.h"

namespace mimamori::base {

// The same name in the same namespace always gives the same id.
Bytes16 uuid_v5(const Bytes16& space, std::string_view name);

}  // namespace mimamori::base
