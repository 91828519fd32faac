// Typed reading of YAML mappings that refuses what it was not asked for and remembers lines. Not about rule packs.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "domain/rule_pack_check.h"

namespace mimamori::adapters::pack_yaml {

using Defects = std::vector<domain::PackDefect>;
int line_of(const YAML::Node& node);  // from 1

struct Text {
    std::string value;
    int line = 0;
};

// One mapping. Every key that is read is allowed; finish() reports the others. `what` names it in messages. Refers to
// `defects` only.
class Mapping {
  public:
    Mapping(const YAML::Node& node, std::string what, Defects& defects);

    int line() const { return line_; }
    int line(const std::string& key) const;  // of the key; of the mapping if it lacks the key
    void defect(int line, const std::string& problem);

    std::string text(const std::string& key);  // must be there and not be blank
    std::optional<Text> optional_text(const std::string& key);
    bool boolean(const std::string& key, std::optional<bool> fallback = std::nullopt);
    int number(const std::string& key);
    std::vector<Text> texts(const std::string& key);  // a list of texts; missing: empty; [] is an error
    // A list of mappings, each handed to `each` and finished after it; missing: an error.
    void mappings(const std::string& key, const std::string& item, const std::function<void(Mapping&)>& each);
    void mapping(const std::string& key, const std::function<void(Mapping&)>& read);

    // One word of a fixed vocabulary; `parse` is one of detection.h's *_named. word() must be there.
    template <class Value>
    Value word(const std::string& key, std::optional<Value> (*parse)(std::string_view)) {
        return parsed(read_text(key, true), key, parse).value_or(Value{});
    }
    template <class Value>
    std::optional<Value> optional_word(const std::string& key, std::optional<Value> (*parse)(std::string_view)) {
        return parsed(read_text(key, false), key, parse);
    }
    template <class Value>
    std::vector<Value> words(const std::string& key, std::optional<Value> (*parse)(std::string_view)) {
        std::vector<Value> out;
        for (const auto& text : texts(key)) {
            if (const auto value = parsed(std::optional{text}, key, parse)) {
                out.push_back(*value);
            }
        }
        return out;
    }
    bool has(const std::string& key) const;

    void finish();

  private:
    YAML::Node find(const std::string& key, bool required);
    std::optional<Text> read_text(const std::string& key, bool required);
    std::optional<std::string> scalar(const YAML::Node& node, const std::string& key);
    template <class Value>
    std::optional<Value> parsed(const std::optional<Text>& text, const std::string& key,
                                std::optional<Value> (*parse)(std::string_view)) {
        if (!text) {
            return std::nullopt;
        }
        const auto value = parse(text->value);
        if (!value) {
            defect(text->line, key + " cannot be \"" + text->value + "\": see the words in packs/README.md");
        }
        return value;
    }

    YAML::Node node_;
    std::string what_;
    Defects& defects_;
    int line_;
    std::map<std::string, int> key_lines_;
    std::set<std::string> asked_;
};

}  // namespace mimamori::adapters::pack_yaml
