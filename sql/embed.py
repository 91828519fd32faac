#!/usr/bin/env python3
"""Turns bootstrap.sql, migrations/*.sql and queries/*.sql into one C++ file (see embedded.h)."""
import pathlib
import re
import sys

NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$")


def raw(text):
    """A C++ expression for `text`: raw literals, cut because compilers bound the length of one."""
    pieces = [text[i:i + 8000] for i in range(0, len(text), 8000)] or [""]
    return " ".join('R"sql~(' + piece + ')sql~"' for piece in pieces)


def statements(path):
    name, lines = None, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = NAME.match(line)
        if match:
            if name:
                yield name, "\n".join(lines)
            name, lines = match.group(1), []
        elif name:
            lines.append(line)
        elif line.strip() and not line.startswith("--"):
            sys.exit(f"{path}:{number}: a statement needs a line '-- name: ...' before it")
    if name:
        yield name, "\n".join(lines)


def main():
    folder, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    queries = {}
    for path in sorted(folder.glob("queries/*.sql")):
        for name, sql in statements(path):
            if name in queries:
                sys.exit(f"{path}: the name {name} is used twice")
            queries[name] = sql.strip().rstrip(";")
    migrations = [(p.stem, p.read_text(encoding="utf-8")) for p in sorted(folder.glob("migrations/*.sql"))]
    body = ['#include "sql/embedded.h"', "#include <algorithm>", "#include <array>", "namespace mimamori::sql {", "namespace {"]
    for table, rows in (("migration_table", migrations), ("query_table", sorted(queries.items()))):
        body.append(f"constexpr std::array<Text, {len(rows)}> {table}{{{{")
        body += [f'{{"{name}", {raw(sql)}}},' for name, sql in rows]
        body.append("}};")
    body += ["}", "std::string_view bootstrap() { return " + raw((folder / "bootstrap.sql").read_text(encoding="utf-8")) + "; }",
             "std::span<const Text> migrations() { return migration_table; }",
             "std::span<const Text> queries() { return query_table; }",
             "std::string_view query(std::string_view name) {",
             "    const auto at = std::lower_bound(query_table.begin(), query_table.end(), name,",
             "                                     [](const Text& text, std::string_view wanted) { return text.name < wanted; });",
             "    return at != query_table.end() && at->name == name ? at->sql : std::string_view{};",
             "}", "}"]
    out.write_text("\n".join(body) + "\n", encoding="utf-8")


main()
