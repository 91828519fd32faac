// Reads a rule pack's file (YAML; packs/README.md describes it). Everything the file says is taken literally or
// refused: unknown keys, doubled keys and wrong kinds are errors. What a pack may say is checked by
// domain/rule_pack_check.h.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "domain/rule_pack.h"
#include "domain/rule_pack_check.h"

namespace mimamori::adapters::pack_yaml {

inline constexpr std::size_t largest_pack = 8 * 1024 * 1024;  // bytes
inline constexpr std::size_t most_defects = 200;              // told at once

// `text` is the whole file. Returns a resolved pack, or what is wrong with it, in the order of the lines.
tl::expected<domain::RulePack, std::vector<domain::PackDefect>> read_rule_pack(std::string_view text);

}  // namespace mimamori::adapters::pack_yaml
