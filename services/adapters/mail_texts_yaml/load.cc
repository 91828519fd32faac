#include "adapters/mail_texts_yaml/load.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include <fmt/format.h>

#include "domain/iso_2022_jp.h"

namespace mimamori::adapters::mail_texts_yaml {
namespace {

template <class... Args>
tl::unexpected<base::Failure> wrong(const YAML::Node& node, fmt::format_string<Args...> text, Args&&... args) {
    return base::failure(base::FailureKind::refused,
                         fmt::format("line {}: {}", node.Mark().line + 1, fmt::format(text, std::forward<Args>(args)...)));
}

base::Expected<domain::MailTemplates> read(const YAML::Node& root) {
    domain::MailTemplates out;
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
                auto value = text.second.as<std::string>();
                if (const auto bad = domain::first_outside_iso_2022_jp(value)) {
                    return wrong(text.second, "template {} holds {}, which ISO-2022-JP lacks: write it otherwise", name, *bad);
                }
                out.texts.emplace(name, std::move(value));
            }
        } else {
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
            return base::failure(base::FailureKind::refused, "line 1: mail texts are a map of version, effective_from and templates");
        }
        return read(root);
    } catch (const YAML::Exception& error) {
        return base::failure(base::FailureKind::refused, fmt::format("line {}: {}", error.mark.line + 1, error.msg));
    }
}

}  // namespace mimamori::adapters::mail_texts_yaml
