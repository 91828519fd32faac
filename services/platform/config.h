// The settings of one process: flags over environment over one TOML file that all roles share, one table a section.
// Not the place of a role's own settings: a role reads its section through `Section` and keeps its own struct.
//
//   [postgres]                        key host of section postgres
//   host = "127.0.0.1"                or MIMAMORI_POSTGRES_HOST=...  or  --set postgres.host=...
//
// Unknown sections and unknown keys are refused. Secrets are never settings: settings name the files that hold them.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/failure.h"

namespace mimamori::platform {

// One value and where it was said: "mimamori.toml:12", "environment MIMAMORI_KAFKA_BOOTSTRAP", "--set kafka.bootstrap".
struct Setting {
    std::vector<std::string> values;  // one, unless the file gave an array
    std::string source;
};

class Config;

// Reads one section key by key and remembers what was wrong. Values in error come back as the default, so a role reads
// everything first and then asks finish() once.
//
//   auto section = config.section("gateway");
//   settings.listen = section.text("listen", "127.0.0.1:8443");
//   settings.max_streams = section.count("max_streams", 20'000, 1, 1'000'000);
//   if (auto done = section.finish(); !done) return tl::unexpected{done.error()};
class Section {
  public:
    std::string text(std::string_view key, std::string_view fallback);
    std::string required_text(std::string_view key);
    std::vector<std::string> list(std::string_view key, std::vector<std::string> fallback);  // flags: comma-separated
    std::int64_t count(std::string_view key, std::int64_t fallback, std::int64_t least, std::int64_t most);
    double number(std::string_view key, double fallback, double least, double most);
    bool flag(std::string_view key, bool fallback);  // true or false
    // A whole number of milliseconds; by custom the key ends in `_ms`.
    std::chrono::milliseconds duration_ms(std::string_view key, std::chrono::milliseconds fallback,
                                          std::chrono::milliseconds least, std::chrono::milliseconds most);

    // Refused if a value was wrong or the section holds a key that nobody asked for; says all of it and where.
    base::Expected<void> finish() const;

  private:
    friend class Config;
    Section(const Config& config, std::string name) : config_{config}, name_{std::move(name)} {}
    const Setting* find(std::string_view key);
    const std::string* single(std::string_view key);
    void wrong(std::string_view key, std::string_view value, std::string_view expected);

    const Config& config_;
    std::string name_;
    std::set<std::string, std::less<>> asked_;
    std::vector<std::string> errors_;
};

class Config {
  public:
    // `role` is the process's role ("gateway", "admin", ...). `file` may be empty: then environment and flags only.
    // `sets` are the values of --set, "section.key=value". `environment` is "NAME=value" entries, as in environ.
    static base::Expected<Config> load(std::string role, const std::string& file, std::span<const std::string> sets,
                                       std::span<const std::string> environment);

    const std::string& role() const { return role_; }
    Section section(std::string_view name) const;

  private:
    friend class Section;
    std::string role_;
    std::map<std::string, std::map<std::string, Setting, std::less<>>, std::less<>> sections_;
};

std::vector<std::string> process_environment();  // what environ holds under MIMAMORI_

// Sections that more than one role reads.

struct PostgresConfig {
    std::string host;           // address or socket directory
    std::uint16_t port;         // 5432
    std::string database;       // "mimamori"
    std::string user;           // "mimamori_<role>"
    std::string password_file;  // else "<password_directory>/<user>.password"; empty: no password
    std::string password_directory;
};
base::Expected<PostgresConfig> read_postgres(const Config& config);

struct KafkaConfig {
    std::string bootstrap;  // "127.0.0.1:9092"
    std::string batches_topic = "mimamori.batches";
    std::string progress_topic = "mimamori.progress";
    std::string presence_topic = "mimamori.presence";
    std::int32_t partitions;  // of the batches topic; frozen when the topics are made
};
base::Expected<KafkaConfig> read_kafka(const Config& config);

struct ObservabilityConfig {
    std::string listen;  // "127.0.0.1:9100": /live, /ready, /metrics; empty: none
};
base::Expected<ObservabilityConfig> read_observability(const Config& config);

struct ProcessConfig {
    std::chrono::milliseconds drain_limit;  // how long stopping may take before the process gives up
    std::string clock_file;                 // see clock.h; empty in production
};
base::Expected<ProcessConfig> read_process(const Config& config);

// "127.0.0.1:8443" or "[::1]:8443" taken apart; port 0 lets the kernel choose.
struct HostPort {
    std::string host;
    std::uint16_t port;
};
base::Expected<HostPort> parse_host_port(std::string_view text);

}  // namespace mimamori::platform
