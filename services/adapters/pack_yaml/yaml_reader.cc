#include "adapters/pack_yaml/yaml_reader.h"

#include <charconv>

#include "base/text.h"

namespace mimamori::adapters::pack_yaml {

int line_of(const YAML::Node& node) {
    return node.Mark().line + 1;
}

Mapping::Mapping(const YAML::Node& node, std::string what, Defects& defects)
    : node_{node}, what_{std::move(what)}, defects_{defects}, line_{line_of(node)} {
    if (!node_.IsMap()) {
        defect(line_, "is not a mapping: write `key: value` lines");
        node_ = YAML::Node{YAML::NodeType::Map};
        return;
    }
    for (const auto& entry : node_) {
        if (!entry.first.IsScalar()) {
            defect(line_of(entry.first), "has a key that is no word");
        } else if (!key_lines_.emplace(entry.first.Scalar(), line_of(entry.first)).second) {
            defect(line_of(entry.first), "has " + entry.first.Scalar() + " twice: remove one");
        }
    }
}

void Mapping::defect(int line, const std::string& problem) {
    defects_.push_back({line, what_ + " " + problem});
}

int Mapping::line(const std::string& key) const {
    const auto found = key_lines_.find(key);
    return found == key_lines_.end() ? line_ : found->second;
}

bool Mapping::has(const std::string& key) const {
    const YAML::Node& node = node_;
    return node[key].IsDefined();
}

YAML::Node Mapping::find(const std::string& key, bool required) {
    asked_.insert(key);
    const YAML::Node& node = node_;  // operator[] on a non-const node would add the key
    const auto found = node[key];
    if (found.IsDefined()) {
        return YAML::Node{found};
    }
    if (required) {
        defect(line_, "has no " + key + ": add it");
    }
    return YAML::Node{YAML::NodeType::Undefined};
}

std::optional<std::string> Mapping::scalar(const YAML::Node& node, const std::string& key) {
    if (!node.IsScalar()) {
        defect(line(key), key + " must be one value, not a list, a mapping or nothing");
        return std::nullopt;
    }
    if (!base::is_utf8(node.Scalar()) || node.Scalar().find('\0') != std::string::npos) {
        defect(line_of(node), key + " is not valid UTF-8 text: save the file as UTF-8");
        return std::nullopt;
    }
    return node.Scalar();
}

std::optional<Text> Mapping::read_text(const std::string& key, bool required) {
    const auto node = find(key, required);
    if (!node.IsDefined()) {
        return std::nullopt;
    }
    auto value = scalar(node, key);
    return value ? std::optional{Text{*std::move(value), line_of(node)}} : std::nullopt;
}

std::optional<Text> Mapping::optional_text(const std::string& key) {
    return read_text(key, false);
}

std::string Mapping::text(const std::string& key) {
    auto text = read_text(key, true).value_or(Text{});
    if (text.line != 0 && base::trim(text.value).empty()) {
        defect(text.line, key + " is blank: write it");
    }
    return std::move(text.value);
}

bool Mapping::boolean(const std::string& key, std::optional<bool> fallback) {
    const auto node = find(key, !fallback);
    if (!node.IsDefined()) {
        return fallback.value_or(false);
    }
    const auto value = scalar(node, key);
    if (value && *value != "true" && *value != "false") {
        defect(line_of(node), key + " is true or false, not \"" + *value + "\"");
    }
    return value == "true";
}

int Mapping::number(const std::string& key) {
    const auto node = find(key, true);
    if (!node.IsDefined()) {
        return 0;
    }
    const auto text = scalar(node, key);
    int value = 0;
    if (text) {
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
        if (error != std::errc{} || end != text->data() + text->size() || text->empty()) {
            defect(line_of(node), key + " must be a whole number, not \"" + *text + "\"");
        }
    }
    return value;
}

std::vector<Text> Mapping::texts(const std::string& key) {
    std::vector<Text> out;
    const auto node = find(key, false);
    if (!node.IsDefined()) {
        return out;
    }
    if (!node.IsSequence() || node.size() == 0) {
        defect(line(key), key + " must be a list, [a, b]; leave it out if it is empty");
        return out;
    }
    for (const auto& item : node) {
        if (auto value = scalar(item, key)) {
            out.push_back({*std::move(value), line_of(item)});
        }
    }
    return out;
}

void Mapping::mappings(const std::string& key, const std::string& item, const std::function<void(Mapping&)>& each) {
    const auto node = find(key, true);
    if (!node.IsDefined()) {
        return;
    }
    if (!node.IsSequence()) {
        return defect(line(key), key + " must be a list of mappings, each starting with a dash");
    }
    for (const auto& entry : node) {
        const YAML::Node id = entry.IsMap() ? entry["id"] : YAML::Node{YAML::NodeType::Undefined};
        const bool named = id.IsDefined() && id.IsScalar();
        Mapping mapping{entry, named ? item + " \"" + base::to_single_line(id.Scalar()) + "\"" : item, defects_};
        each(mapping);
        mapping.finish();
    }
}

void Mapping::mapping(const std::string& key, const std::function<void(Mapping&)>& read) {
    const auto node = find(key, true);
    if (!node.IsDefined()) {
        return;
    }
    if (node.IsNull()) {
        return defect(line(key), key + " is empty: write its keys below it");
    }
    Mapping inner{node, what_ == "the pack" ? key : what_ + ", " + key, defects_};
    read(inner);
    inner.finish();
}

void Mapping::finish() {
    for (const auto& entry : node_) {
        if (entry.first.IsScalar() && !asked_.contains(entry.first.Scalar())) {
            defect(line_of(entry.first),
                   "has an unknown key " + base::to_single_line(entry.first.Scalar()) + ": correct or remove it");
        }
    }
}

}  // namespace mimamori::adapters::pack_yaml
