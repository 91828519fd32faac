#include "adapters/mail_texts_yaml/load.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "domain/iso_2022_jp.h"

namespace mimamori::adapters::mail_texts_yaml {
namespace {

template <class... Args>
tl::unexpected<base::Failure> wrong(const YAML::Node& node, fmt::format_string<Args...> text, Args&&... args) {
    return base::failure(base::FailureKind::refused, fmt::format("line {}: {}", node.Mark().line + 1,
                                                                 fmt::format(text, std::forward<Args>(args)...)));
}

using Parts = std::map<std::string, std::string, std::less<>>;

base::Expected<std::string> text_of(const YAML::Node& name, const YAML::Node& text) {
    auto value = text.as<std::string>();
    if (const auto bad = domain::first_outside_iso_2022_jp(value)) {
        return wrong(text, "template {} holds {}, which ISO-2022-JP lacks: write it otherwise", name.as<std::string>(),
                     *bad);
    }
    return value;
}

base::Expected<Parts> read_parts(const YAML::Node& node) {
    Parts out;
    for (const auto& part : node) {
        auto value = text_of(part.first, part.second);
        if (!value) {
            return tl::unexpected{value.error()};
        }
        if (value->find("{{>") != std::string::npos) {
            return wrong(part.first, "part {} holds another part: write it out", part.first.as<std::string>());
        }
        out.emplace(part.first.as<std::string>(), base::trim(*value));
    }
    return out;
}

base::Expected<std::string> with_parts(const YAML::Node& name, std::string text, const Parts& parts) {
    static constexpr std::string_view open = "{{>";
    for (auto at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
        const auto end = text.find("}}", at);
        const auto wanted = std::string{base::trim(
            std::string_view{text}.substr(at + open.size(), end == std::string::npos ? 0 : end - at - open.size()))};
        const auto part = parts.find(wanted);
        if (part == parts.end()) {
            return wrong(name, "template {} wants part \"{}\", which does not exist", name.as<std::string>(), wanted);
        }
        text.replace(at, end + 2 - at, part->second);
        at += part->second.size();
    }
    return text;
}

base::Expected<domain::MailTemplates> read(const YAML::Node& root) {
    domain::MailTemplates out;
    const YAML::Node& fixed = root;  // operator[] on a non-const node would add the key
    const auto parts = fixed["parts"].IsDefined() ? read_parts(fixed["parts"]) : base::Expected<Parts>{Parts{}};
    if (!parts) {
        return tl::unexpected{parts.error()};
    }
    for (const auto& entry : root) {
        const auto key = entry.first.as<std::string>();
        if (key == "version") {
            out.version = entry.second.as<std::string>();
        } else if (key == "effective_from") {
            const auto time = base::parse_timestamp(entry.second.as<std::string>());
            if (!time) {
                return wrong(entry.second, "effective_from is no time: write it like 2026-04-01T00:00:00+09:00");
            }
            out.effective_from = *time;
        } else if (key == "templates") {
            for (const auto& text : entry.second) {
                const auto name = text.first.as<std::string>();
                if (std::find(domain::mail_template_names.begin(), domain::mail_template_names.end(), name) ==
                    domain::mail_template_names.end()) {
                    return wrong(text.first, "no mail uses a template named {}", name);
                }
                auto value = text_of(text.first, text.second).and_then([&](std::string own) {
                    return with_parts(text.first, std::move(own), *parts);
                });
                if (!value) {
                    return tl::unexpected{value.error()};
                }
                out.texts.emplace(name, *std::move(value));
                out.lines.emplace(name, text.first.Mark().line + 2);  // the line below the name
            }
        } else if (key != "parts") {
            return wrong(entry.first, "unknown key {}", key);
        }
    }
    if (out.version.empty() || out.effective_from == base::Time{}) {
        return wrong(root, "version and effective_from must be given");
    }
    return out;
}

}  // namespace

base::Expected<domain::MailTemplates> load(std::string_view yaml) {
    try {
        const auto root = YAML::Load(std::string{yaml});
        if (!root.IsMap()) {
            return base::failure(base::FailureKind::refused,
                                 "line 1: mail texts are a map of version, effective_from and templates");
        }
        return read(root);
    } catch (const YAML::Exception& error) {
        return base::failure(base::FailureKind::refused, fmt::format("line {}: {}", error.mark.line + 1, error.msg));
    }
}

}  // namespace mimamori::adapters::mail_texts_yaml
