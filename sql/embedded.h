// The files of this folder as the build embedded them.
#pragma once

#include <span>
#include <string_view>

namespace mimamori::sql {

struct Text {
    std::string_view name;  // of a migration: "0001_tenancy"; of a statement: its `-- name:`
    std::string_view sql;
};

std::string_view bootstrap();
std::span<const Text> migrations();  // in order
std::span<const Text> queries();     // sorted by name

// The statement called `name`; empty if there is none.
std::string_view query(std::string_view name);

}  // namespace mimamori::sql
