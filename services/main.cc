// Picks the role: `mimamori gateway|correlator|notifier|fleet` run until they are told to stop, `mimamori admin ...` is the
// operator's command line. Nothing else is here.
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "platform/config.h"
#include "platform/process.h"
#include "platform/role.h"

#ifdef MIMAMORI_HAS_ADMIN
#include "admin/command_line.h"
#endif
#ifdef MIMAMORI_HAS_CORRELATOR
#include "correlator/role.h"
#endif
#ifdef MIMAMORI_HAS_FLEET
#include "fleet/role.h"
#endif
#ifdef MIMAMORI_HAS_GATEWAY
#include "gateway/role.h"
#endif
#ifdef MIMAMORI_HAS_NOTIFIER
#include "notifier/role.h"
#endif

namespace {

using namespace mimamori;

constexpr int failed = 1;
constexpr int wrong_usage = 2;

const std::vector<platform::Role>& roles() {
    static const std::vector<platform::Role> all{
#ifdef MIMAMORI_HAS_GATEWAY
        {"gateway", "takes what agents send and puts it into Kafka", gateway::check, gateway::run},
#endif
#ifdef MIMAMORI_HAS_CORRELATOR
        {"correlator", "applies rules and writes detections and findings", correlator::check, correlator::run},
#endif
#ifdef MIMAMORI_HAS_NOTIFIER
        {"notifier", "closes hours and sends mail", notifier::check, notifier::run},
#endif
#ifdef MIMAMORI_HAS_FLEET
        {"fleet", "keeps who is connected", fleet::check, fleet::run},
#endif
    };
    return all;
}

int run_role(const platform::Role& role, const std::string& file, const std::vector<std::string>& sets, bool check_only) {
    auto config = platform::Config::load(std::string{role.name}, file, sets, platform::process_environment());
    auto checked = config.and_then([&](const platform::Config& read) {
        return platform::read_process(read)
            .and_then([&](const platform::ProcessConfig&) { return platform::read_observability(read); })
            .and_then([&](const platform::ObservabilityConfig&) { return role.check(read); });
    });
    if (!checked) {
        fmt::print(stderr, "{}\n", checked.error().what);
        return wrong_usage;
    }
    if (check_only) {
        fmt::print("the settings of {} are in order\n", role.name);
        return 0;
    }
    auto process = platform::Process::make(*config);
    if (!process) {
        fmt::print(stderr, "{}\n", process.error().what);
        return wrong_usage;
    }
    const auto result = role.run(**process, *config);
    if (!result) {
        (*process)->failed(result.error());
        return failed;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
#ifdef MIMAMORI_HAS_ADMIN
    if (argc > 1 && std::string_view{argv[1]} == "admin") {
        return admin::command_line(argc - 1, argv + 1);
    }
#endif
    CLI::App app{"mimamori: watches over the networks of small companies", "mimamori"};
    app.require_subcommand(1);
    std::string file;
    std::vector<std::string> sets;
    bool check_only = false;
    for (const auto& role : roles()) {
        auto* command = app.add_subcommand(std::string{role.name}, std::string{role.help});
        command->add_option("--config", file, "TOML file of settings")->envname("MIMAMORI_CONFIG");
        command->add_option("--set", sets, "section.key=value; goes before environment and file");
        command->add_flag("--check-config", check_only, "read the settings, say what is wrong, and end");
    }
    app.add_subcommand("admin", "the operator's command line; see mimamori admin --help");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : wrong_usage;
    }
    for (const auto& role : roles()) {
        if (app.got_subcommand(std::string{role.name})) {
            return run_role(role, file, sets, check_only);
        }
    }
    return wrong_usage;
}
