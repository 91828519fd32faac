// A shipped rule pack, read and compiled as production does, for tests of what it decides.
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "adapters/hyperscan/pack_matcher.h"
#include "adapters/pack_yaml/pack_yaml.h"
#include "domain/severity.h"

namespace mimamori::tests {

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream file{path};
    REQUIRE(file);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// Rows of a tab-separated file without its header and comments.
inline std::vector<std::vector<std::string>> rows_of(const char* file) {
    std::istringstream lines{read_file(std::filesystem::path{PILOT_DATA} / file)};
    std::vector<std::vector<std::string>> rows;
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.front() == '#') {
            continue;
        }
        rows.emplace_back();
        std::istringstream fields{line};
        for (std::string field; std::getline(fields, field, '\t');) {
            rows.back().push_back(field);
        }
    }
    rows.erase(rows.begin());
    return rows;
}

struct Shipped {
    explicit Shipped(const std::string& file)
        : pack{[&] {
              auto read = adapters::pack_yaml::read_rule_pack(read_file(std::filesystem::path{PACKS} / file));
              REQUIRE(read);
              return *std::move(read);
          }()} {
        auto patterns = adapters::hyperscan::CompiledPatterns::compile(pack);
        REQUIRE(patterns);
        auto created = adapters::hyperscan::PackMatcher::create(*patterns);
        REQUIRE(created);
        matcher = std::move(*created);
    }

    domain::Verdict judge(domain::Function function, domain::Direction direction, std::string_view name,
                          int vendor_priority = 0) {
        domain::DetectionView detection;
        detection.function = function;
        detection.vendor_priority = vendor_priority;
        detection.threat_name = name;  // name() of every function but the logged two falls back to or starts with it
        detection.category = name;
        detection.application = name;
        return domain::judge(pack, detection, direction, matcher->match(name));
    }

    domain::RulePack pack;
    std::unique_ptr<adapters::hyperscan::PackMatcher> matcher;
};

inline std::vector<std::string> rule_pack_files() {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator{PACKS}) {
        const auto name = entry.path().filename().string();
        if (name.starts_with("mimamori-") && name.ends_with(".yaml")) {
            files.push_back(name);
        }
    }
    REQUIRE_FALSE(files.empty());
    return files;
}

// A name of each kind, for trying everything in every direction.
inline std::vector<std::string> names_of(const domain::RulePack& pack) {
    std::vector<std::string> names{"Never seen before", ""};
    for (const auto& rule : pack.rules) {
        if (!rule.is_regex) {
            names.push_back(rule.pattern);
        }
        for (const auto& example : rule.examples) {
            names.push_back(example.name);
        }
    }
    return names;
}

}  // namespace mimamori::tests
