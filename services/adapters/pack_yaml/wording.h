// The words that customers' texts must not use, read from packs/wording.yaml, which is built into the program: every
// pack and every mail wording that it loads has passed the same list. Not the checking (domain/wording.h).
#pragma once

#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "domain/wording.h"

namespace mimamori::adapters::pack_yaml {

tl::expected<domain::Wording, std::vector<domain::PackDefect>> read_wording(std::string_view text);

// The text of packs/wording.yaml as it was when this program was built.
std::string_view shipped_wording();

}  // namespace mimamori::adapters::pack_yaml
