#include "adapters/mustache/render.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include <kainjow/mustache.hpp>
#pragma GCC diagnostic pop

#include <set>

#include <fmt/format.h>

#include "base/text.h"

namespace mimamori::adapters::mustache {
namespace {

namespace km = kainjow::mustache;

km::data to_data(const domain::TextValues& values) {
    km::data object{km::data::type::object};
    for (const auto& [name, value] : values.values) {
        if (const auto* text = std::get_if<std::string>(&value)) {
            object.set(name, *text);
        } else if (const auto* flag = std::get_if<bool>(&value)) {
            object.set(name, km::data{*flag});
        } else {
            km::data list{km::data::type::list};
            for (const auto& item : std::get<std::vector<domain::TextValues>>(value)) {
                list.push_back(to_data(item));
            }
            object.set(name, std::move(list));
        }
    }
    return object;
}

void collect_names(const domain::TextValues& values, std::set<std::string>& names) {
    for (const auto& [name, value] : values.values) {
        names.insert(name);
        if (const auto* list = std::get_if<std::vector<domain::TextValues>>(&value)) {
            for (const auto& item : *list) {
                collect_names(item, names);
            }
        }
    }
}

// The first name in a tag of `source` that no value carries; empty if all are known.
std::string unknown_name(std::string_view source, const std::set<std::string>& names) {
    std::size_t at = 0;
    while ((at = source.find("{{", at)) != std::string_view::npos) {
        const auto end = source.find("}}", at);
        auto name = source.substr(at + 2, end == std::string_view::npos ? 0 : end - at - 2);
        const auto first = name.find_first_not_of("{#^/& \t");
        if (!name.empty() && name.front() != '!' && first != std::string_view::npos) {
            name = name.substr(first);
            name = name.substr(0, name.find_last_not_of("} \t") + 1);
            if (name != "." && !names.contains(std::string{name})) {
                return std::string{name};
            }
        }
        at += 2;
    }
    return {};
}

// Stands before every line end that is kept, so that the library, which has rules of its own, takes none away.
constexpr char keeper = '\1';

// A line that holds one tag and nothing else leaves no line behind (mustache(5), "standalone").
std::string without_standalone_lines(std::string_view source) {
    std::string out;
    while (!source.empty()) {
        const auto end = source.find('\n');
        const auto line = source.substr(0, end);
        const auto tag = base::trim(line);
        const bool section = tag.size() > 5 && tag.substr(0, 2) == "{{" && std::string_view{"#^/!"}.find(tag[2]) != std::string_view::npos;
        const bool alone = section && tag.find("}}") == tag.size() - 2;
        out.append(alone ? tag : line);
        if (end == std::string_view::npos) {
            break;
        }
        if (!alone) {
            out += {keeper, '\n'};
        }
        source.remove_prefix(end + 1);
    }
    return out;
}

std::string escape_html(const std::string& text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default: out.push_back(c);
        }
    }
    return out;
}

}  // namespace

base::Expected<std::string> render(std::string_view source, const domain::TextValues& values, Escape escape) {
    std::set<std::string> names;
    collect_names(values, names);
    if (const auto missing = unknown_name(source, names); !missing.empty()) {
        return base::failure(base::FailureKind::refused, fmt::format("the template names {{{{{}}}}}, which this text has not", missing));
    }
    try {
        km::mustache text{without_standalone_lines(source)};
        if (!text.is_valid()) {
            return base::failure(base::FailureKind::refused, fmt::format("malformed template: {}", text.error_message()));
        }
        if (escape == Escape::none) {
            text.set_custom_escape([](const std::string& value) { return value; });
        } else {
            text.set_custom_escape(escape_html);
        }
        auto out = text.render(to_data(values));
        std::erase(out, keeper);
        return out;
    } catch (const std::exception& error) {
        return base::failure(base::FailureKind::refused, fmt::format("template: {}", error.what()));
    }
}

}  // namespace mimamori::adapters::mustache
