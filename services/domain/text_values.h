// Named values for a text template: strings, flags and lists of the same. The domain says what a text contains; the
// template (data, in the rule pack) says how it reads; an adapter puts them together.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

namespace mimamori::domain {

enum class Language { ja, en };

struct TextValues;
using TextValue = std::variant<std::string, bool, std::vector<TextValues>>;

struct TextValues {
    std::map<std::string, TextValue> values;

    TextValue& operator[](const std::string& name) { return values[name]; }
};

}  // namespace mimamori::domain
