#include "platform/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "platform/files.h"

extern char** environ;

namespace mimamori::platform {
namespace {

using base::failure;
using base::FailureKind;

// Every section there is: a role checks only the sections it reads, so a misspelt section is found here.
constexpr std::array known_sections{"postgres",   "kafka",    "observability", "process", "clock", "gateway",
                                    "correlator", "notifier", "smtp",          "fleet",   "admin", "portal"};
constexpr std::size_t largest_file = 1024 * 1024;
constexpr std::string_view environment_prefix = "MIMAMORI_";

bool is_known_section(std::string_view name) {
    return std::find(known_sections.begin(), known_sections.end(), name) != known_sections.end();
}

std::string lower(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

std::string upper(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return out;
}

// A scalar of the file as text; empty where it is none.
std::optional<std::string> scalar_text(const toml::node& node) {
    if (const auto* text = node.as_string()) {
        return text->get();
    }
    if (const auto* integer = node.as_integer()) {
        return std::to_string(integer->get());
    }
    if (const auto* flag = node.as_boolean()) {
        return flag->get() ? "true" : "false";
    }
    if (const auto* number = node.as_floating_point()) {
        return fmt::format("{}", number->get());
    }
    return std::nullopt;
}

base::Expected<Setting> setting_from(const toml::node& node, const std::string& file, std::string_view name) {
    Setting setting{{}, fmt::format("{}:{}", file, node.source().begin.line)};
    const auto unfit = [&] {
        return failure(FailureKind::refused, fmt::format("{}: {} must be text, a number, true or false, or a list of those",
                                                         setting.source, name));
    };
    if (const auto* array = node.as_array()) {
        for (const auto& element : *array) {
            auto text = scalar_text(element);
            if (!text) {
                return unfit();
            }
            setting.values.push_back(std::move(*text));
        }
        return setting;
    }
    auto text = scalar_text(node);
    if (!text) {
        return unfit();
    }
    setting.values.push_back(std::move(*text));
    return setting;
}

template <class Number>
bool parse_whole(const std::string& text, Number& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

base::Expected<Config> Config::load(std::string role, const std::string& file, std::span<const std::string> sets,
                                    std::span<const std::string> environment) {
    Config config;
    config.role_ = std::move(role);
    if (!file.empty()) {
        const auto text = read_file(file, largest_file);
        if (!text) {
            return failure(FailureKind::refused, text.error().what + "; name the TOML file of settings with --config");
        }
        const auto parsed = toml::parse(*text, file);
        if (!parsed) {
            return failure(FailureKind::refused, fmt::format("{}:{}: {}", file, parsed.error().source().begin.line,
                                                             parsed.error().description()));
        }
        for (const auto& [section, node] : parsed.table()) {
            const auto* keys = node.as_table();
            if (keys == nullptr || !is_known_section(section.str())) {
                return failure(FailureKind::refused,
                               fmt::format("{}:{}: unknown section \"{}\"; there are: {}", file, node.source().begin.line,
                                           section.str(), fmt::join(known_sections, ", ")));
            }
            for (const auto& [key, value] : *keys) {
                auto setting = setting_from(value, file, fmt::format("{}.{}", section.str(), key.str()));
                if (!setting) {
                    return tl::unexpected{setting.error()};
                }
                config.sections_[std::string{section.str()}][std::string{key.str()}] = std::move(*setting);
            }
        }
    }
    for (const std::string_view entry : environment) {
        const auto equals = entry.find('=');
        if (equals == std::string_view::npos || !entry.starts_with(environment_prefix)) {
            continue;
        }
        const auto name = entry.substr(environment_prefix.size(), equals - environment_prefix.size());
        const auto underscore = name.find('_');
        const auto section = lower(name.substr(0, underscore));
        if (underscore == std::string_view::npos || !is_known_section(section)) {
            continue;  // not ours: other programs use the prefix as well
        }
        config.sections_[section][lower(name.substr(underscore + 1))] =
            Setting{{std::string{entry.substr(equals + 1)}}, fmt::format("environment {}", entry.substr(0, equals))};
    }
    for (const std::string_view set : sets) {
        const auto equals = set.find('=');
        const auto name = set.substr(0, equals);
        const auto dot = name.find('.');
        if (equals == std::string_view::npos || dot == std::string_view::npos) {
            return failure(FailureKind::refused, fmt::format("--set {}: write --set section.key=value", set));
        }
        if (!is_known_section(name.substr(0, dot))) {
            return failure(FailureKind::refused, fmt::format("--set {}: unknown section \"{}\"; there are: {}", set,
                                                             name.substr(0, dot), fmt::join(known_sections, ", ")));
        }
        config.sections_[std::string{name.substr(0, dot)}][std::string{name.substr(dot + 1)}] =
            Setting{{std::string{set.substr(equals + 1)}}, fmt::format("--set {}", name)};
    }
    return config;
}

Section Config::section(std::string_view name) const {
    return Section{*this, std::string{name}};
}

const Setting* Section::find(std::string_view key) {
    asked_.emplace(key);
    const auto section = config_.sections_.find(name_);
    if (section == config_.sections_.end()) {
        return nullptr;
    }
    const auto setting = section->second.find(key);
    return setting == section->second.end() ? nullptr : &setting->second;
}

void Section::wrong(std::string_view key, std::string_view value, std::string_view expected) {
    const auto* setting = find(key);
    errors_.push_back(fmt::format("{}: {}.{} = \"{}\" is wrong: expected {}", setting ? setting->source : "settings", name_,
                                  key, value, expected));
}

const std::string* Section::single(std::string_view key) {
    const auto* setting = find(key);
    if (setting == nullptr) {
        return nullptr;
    }
    if (setting->values.size() != 1) {
        wrong(key, fmt::format("{}", fmt::join(setting->values, ",")), "one value");
        return nullptr;
    }
    return &setting->values.front();
}

std::string Section::text(std::string_view key, std::string_view fallback) {
    const auto* value = single(key);
    return value != nullptr ? *value : std::string{fallback};
}

std::string Section::required_text(std::string_view key) {
    const auto* value = single(key);
    if (value == nullptr || value->empty()) {
        errors_.push_back(fmt::format("{}.{} is missing: set it in the file's section [{}], as MIMAMORI_{}_{}, or with --set {}.{}=...",
                                      name_, key, name_, upper(name_), upper(key), name_, key));
        return {};
    }
    return *value;
}

std::vector<std::string> Section::list(std::string_view key, std::vector<std::string> fallback) {
    const auto* setting = find(key);
    if (setting == nullptr) {
        return fallback;
    }
    if (setting->values.size() != 1) {
        return setting->values;
    }
    std::vector<std::string> out;
    std::istringstream parts{setting->values.front()};
    for (std::string part; std::getline(parts, part, ',');) {
        out.push_back(std::move(part));
    }
    return out;
}

std::int64_t Section::count(std::string_view key, std::int64_t fallback, std::int64_t least, std::int64_t most) {
    const auto* value = single(key);
    if (value == nullptr) {
        return fallback;
    }
    std::int64_t number = 0;
    if (!parse_whole(*value, number) || number < least || number > most) {
        wrong(key, *value, fmt::format("a whole number from {} to {}", least, most));
        return fallback;
    }
    return number;
}

double Section::number(std::string_view key, double fallback, double least, double most) {
    const auto* value = single(key);
    if (value == nullptr) {
        return fallback;
    }
    double number = 0;
    if (!parse_whole(*value, number) || !(number >= least && number <= most)) {
        wrong(key, *value, fmt::format("a number from {} to {}", least, most));
        return fallback;
    }
    return number;
}

bool Section::flag(std::string_view key, bool fallback) {
    const auto* value = single(key);
    if (value == nullptr) {
        return fallback;
    }
    if (*value != "true" && *value != "false") {
        wrong(key, *value, "true or false");
        return fallback;
    }
    return *value == "true";
}

std::chrono::milliseconds Section::duration_ms(std::string_view key, std::chrono::milliseconds fallback,
                                               std::chrono::milliseconds least, std::chrono::milliseconds most) {
    return std::chrono::milliseconds{count(key, fallback.count(), least.count(), most.count())};
}

base::Expected<void> Section::finish() const {
    auto errors = errors_;
    if (const auto section = config_.sections_.find(name_); section != config_.sections_.end()) {
        for (const auto& [key, setting] : section->second) {
            if (!asked_.contains(key)) {
                errors.push_back(fmt::format("{}: unknown key {}.{}; section [{}] has: {}", setting.source, name_, key, name_,
                                             fmt::join(asked_, ", ")));
            }
        }
    }
    if (!errors.empty()) {
        return failure(FailureKind::refused, fmt::format("{}", fmt::join(errors, "\n")));
    }
    return {};
}

std::vector<std::string> process_environment() {
    std::vector<std::string> out;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        if (std::string_view{*entry}.starts_with(environment_prefix)) {
            out.emplace_back(*entry);
        }
    }
    return out;
}

base::Expected<PostgresConfig> read_postgres(const Config& config) {
    auto section = config.section("postgres");
    PostgresConfig out{
        .host = section.text("host", "127.0.0.1"),
        .port = static_cast<std::uint16_t>(section.count("port", 5432, 1, 65535)),
        .database = section.text("database", "mimamori"),
        .user = section.text("user", "mimamori_" + config.role()),
        .password_file = section.text("password_file", ""),
        .password_directory = section.text("password_directory", ""),
    };
    if (out.password_file.empty() && !out.password_directory.empty()) {
        out.password_file = out.password_directory + "/" + out.user + ".password";
    }
    if (auto done = section.finish(); !done) {
        return tl::unexpected{done.error()};
    }
    return out;
}

base::Expected<KafkaConfig> read_kafka(const Config& config) {
    auto section = config.section("kafka");
    KafkaConfig out;
    out.bootstrap = section.text("bootstrap", "127.0.0.1:9092");
    out.batches_topic = section.text("batches_topic", out.batches_topic);
    out.progress_topic = section.text("progress_topic", out.progress_topic);
    out.presence_topic = section.text("presence_topic", out.presence_topic);
    out.partitions = static_cast<std::int32_t>(section.count("partitions", 12, 1, 10'000));
    if (auto done = section.finish(); !done) {
        return tl::unexpected{done.error()};
    }
    return out;
}

base::Expected<ObservabilityConfig> read_observability(const Config& config) {
    auto section = config.section("observability");
    // One file serves all roles, which may run on one machine: `<role>_listen` goes before `listen`.
    const auto common = section.text("listen", "");
    ObservabilityConfig out;
    for (const std::string_view role : {"gateway", "correlator", "notifier", "fleet", "portal"}) {
        const auto own = section.text(fmt::format("{}_listen", role), common);
        if (role == config.role()) {
            out.listen = own;
        }
    }
    if (auto done = section.finish(); !done) {
        return tl::unexpected{done.error()};
    }
    if (!out.listen.empty()) {
        if (auto address = parse_host_port(out.listen); !address) {
            return failure(FailureKind::refused, "observability: " + address.error().what);
        }
    }
    return out;
}

base::Expected<ProcessConfig> read_process(const Config& config) {
    using std::chrono::milliseconds;
    auto section = config.section("process");
    auto clock = config.section("clock");
    ProcessConfig out{
        .drain_limit = section.duration_ms("drain_limit_ms", milliseconds{20'000}, milliseconds{100}, milliseconds{600'000}),
        .clock_file = clock.text("file", ""),
    };
    for (const auto* read : {&section, &clock}) {
        if (auto done = read->finish(); !done) {
            return tl::unexpected{done.error()};
        }
    }
    return out;
}

base::Expected<HostPort> parse_host_port(std::string_view text) {
    const auto colon = text.rfind(':');
    HostPort out{};
    auto host = colon == std::string_view::npos ? std::string_view{} : text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    const std::string port{colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1)};
    if (host.empty() || !parse_whole(port, out.port)) {
        return failure(FailureKind::refused, fmt::format("\"{}\" is no address: write host:port, as 127.0.0.1:9100", text));
    }
    out.host = host;
    return out;
}

}  // namespace mimamori::platform
