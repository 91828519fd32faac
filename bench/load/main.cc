// Plays many agents against a running service: `mimamori-load run` sends, `mimamori-load identities` makes
// certificates. bench/README.md says how to read what it prints. Ends with 0 only when every entry it made is settled
// under its own hash.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "bench/load/driver.h"
#include "bench/load/identities.h"
#include "bench/load/options.h"
#include "bench/load/report.h"
#include "bench/load/watcher.h"

namespace {

using namespace mimamori;
using namespace mimamori::bench;
using Drivers = std::vector<std::unique_ptr<Driver>>;

constexpr std::chrono::milliseconds look{50};

// "closed:60", "1000:30": rate a second and seconds.
std::string read_phase(const std::string& text, Phase& out) {
    const auto colon = text.find(':');
    try {
        const auto rate = text.substr(0, colon);
        out.rate = rate == "closed" ? Phase::closed : std::stod(rate);
        out.length = std::chrono::microseconds{static_cast<std::int64_t>(std::stod(text.substr(colon + 1)) * 1e6)};
    } catch (const std::exception&) {
        return "a phase is RATE:SECONDS or closed:SECONDS";
    }
    return colon == std::string::npos || (out.rate < 0 && out.rate != Phase::closed)
               ? "a phase is RATE:SECONDS or closed:SECONDS"
               : "";
}

Standing sum_of(const Drivers& drivers) {
    Standing sum;
    for (const auto& driver : drivers) {
        const auto one = driver->standing();
        sum.connected += one.connected;
        sum.entries += one.entries;
        sum.settled += one.settled;
        sum.owed += one.owed;
        sum.under_way += one.under_way;
    }
    return sum;
}

// Waits until `done`, telling of it once a second. False after `limit`, or when an appliance failed.
template <class Done>
bool wait_for(const char* event, const Run& run, const Drivers& drivers, std::chrono::microseconds limit,
              const Done& done) {
    const auto until = std::chrono::steady_clock::now() + limit;
    auto told = std::chrono::steady_clock::now();
    while (true) {
        const auto standing = sum_of(drivers);
        for (const auto& driver : drivers) {
            if (const auto why = driver->failed(); !why.empty()) {
                fmt::print(stderr, "load: {}\n", why);
                return false;
            }
        }
        if (done(standing)) {
            return true;
        }
        const auto now = std::chrono::steady_clock::now();
        if (now >= until) {
            return false;
        }
        if (now - told >= std::chrono::seconds{1}) {
            told += std::chrono::seconds{1};
            tell(event, run, standing);
        }
        std::this_thread::sleep_for(look);
    }
}

struct Named {
    std::string utm_id;
    agent::uplink::Identity identity;
};

// The identities in the folder, in the order of their names: `connections` of them from `first` on.
base::Expected<std::vector<Named>> read_identities(const Options& options) {
    const auto refused = [](std::string what) { return base::failure(base::FailureKind::refused, std::move(what)); };
    std::vector<std::filesystem::path> homes;
    for (const auto& entry : std::filesystem::directory_iterator{options.identities}) {
        homes.push_back(entry.path());
    }
    std::sort(homes.begin(), homes.end());
    if (homes.size() < options.first + options.connections) {
        return refused(fmt::format("{} holds {} identities, {} connections are asked for", options.identities,
                                   homes.size(), options.connections));
    }
    const auto now = std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
    std::vector<Named> out;
    for (std::size_t i = 0; i < options.connections; ++i) {
        const auto& home = homes[options.first + i];
        auto identity = agent::uplink::read_identity({home / "ca.pem", home / "agent.pem", home / "agent.key"}, now);
        if (!identity) {
            return tl::unexpected{identity.error()};
        }
        if (!out.empty() && identity->ca_pem != out.front().identity.ca_pem) {
            return refused(fmt::format("{} trusts another authority than {}: use one folder for each", home.string(),
                                       out.front().utm_id));
        }
        out.push_back({home.filename().string(), std::move(*identity)});
    }
    return out;
}

int run(const Options& options) {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    std::signal(SIGPIPE, SIG_IGN);  // a connection that is gone is an error of that connection

    auto identities = read_identities(options);
    if (!identities) {
        fmt::print(stderr, "load: {}\n", identities.error().what);
        return 1;
    }
    const auto target = find_target(options.address, identities->front().identity.ca_pem);
    if (!target) {
        fmt::print(stderr, "load: {}\n", target.error().what);
        return 1;
    }
    const Traffic traffic{options.what};
    Drivers drivers;
    for (std::size_t i = 0; i < options.threads; ++i) {
        drivers.push_back(std::make_unique<Driver>(options, traffic, *target));
    }
    for (std::size_t i = 0; i < identities->size(); ++i) {
        auto& one = (*identities)[i];
        drivers[i % drivers.size()]->add(std::move(one.utm_id), std::move(one.identity), i);
    }
    identities->clear();
    std::unique_ptr<Watcher> watcher;
    if (!options.postgres_host.empty()) {
        auto started = Watcher::start(options, drivers);
        if (!started) {
            fmt::print(stderr, "load: {}\n", started.error().what);
            return 1;
        }
        watcher = std::move(*started);
    }
    for (const auto& driver : drivers) {
        driver->start();
    }
    Run run;
    if (!wait_for("opening", run, drivers, options.opening,
                  [&](const Standing& s) { return s.connected == options.connections; })) {
        fmt::print(stderr, "load: not all appliances could connect\n");
        for (const auto& driver : drivers) {
            if (const auto why = driver->last_end(); !why.empty()) {
                fmt::print(stderr, "load: {}\n", why);
            }
        }
        return 1;
    }
    run.began_us = steady_us();
    tell("began", run, sum_of(drivers));
    for (const auto& driver : drivers) {
        driver->begin(run.began_us);
    }
    std::chrono::microseconds length{0};
    for (const auto& phase : options.phases) {
        length += phase.length;
    }
    const auto ends = run.began_us + length.count();
    bool good =
        wait_for("phase", run, drivers, length + options.drain, [&](const Standing&) { return steady_us() >= ends; });
    run.phases_ended_us = steady_us();
    run.settled_in_phases = sum_of(drivers).settled;
    tell("phases_ended", run, sum_of(drivers));
    good = good && wait_for("draining", run, drivers, options.drain, [](const Standing& s) { return s.owed == 0; });
    for (const auto& driver : drivers) {
        driver->finish();
    }
    // Standings are up to 100 ms old: finish() must have been seen before nothing is under way.
    const auto asked = steady_us();
    good = good && wait_for("draining", run, drivers, options.drain, [&](const Standing& s) {
               return s.under_way == 0 && s.settled == s.entries && steady_us() - asked > 200'000;
           });
    run.settled_us = steady_us();
    tell(good ? "settled" : "not_settled", run, sum_of(drivers));
    watcher.reset();
    for (const auto& driver : drivers) {
        driver->stop();
    }
    if (auto written = write_report(options, traffic, run, drivers); !written) {
        fmt::print(stderr, "load: {}\n", written.error().what);
        return 1;
    }
    if (!good) {
        fmt::print(stderr, "load: not everything was settled\n");
    }
    return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Many agents in one process, for measuring the service."};
    app.require_subcommand(1);

    Options options;
    std::vector<std::string> phases;
    auto* running = app.add_subcommand("run", "Sends entries and waits until all are settled.");
    running->add_option("--address", options.address, "The gateway, host:port")->required();
    running->add_option("--identities", options.identities, "Folder of folders with agent.pem, agent.key, ca.pem")
        ->required();
    running->add_option("--out", options.out, "File for the report")->required();
    running
        ->add_option("--phase", phases,
                     "RATE:SECONDS (entries a second, all appliances) or closed:SECONDS; several, in order")
        ->required();
    running->add_option("--connections", options.connections)->check(CLI::Range(1, 20'000));
    running->add_option("--first", options.first, "Identities to leave out before the first one used");
    running->add_option("--threads", options.threads)->check(CLI::Range(1, 64));
    running->add_option("--opening-at-once", options.opening_at_once)->check(CLI::Range(1, 10'000));
    running->add_option("--window", options.window, "Entries under way of one appliance")
        ->check(CLI::Range(1, 1'000'000));
    running->add_option("--batch", options.batch, "Entries of one batch")->check(CLI::Range(1, 100'000));
    running->add_option("--batch-delay", options.batch_delay, "How long a batch that is not urgent waits to fill, ms")
        ->check(CLI::Range(0, 60'000));
    const std::map<std::string, Traffic::What> kinds{
        {"detections", Traffic::What::detections}, {"blocks", Traffic::What::blocks}, {"mixed", Traffic::What::mixed}};
    running->add_option("--what", options.what)->transform(CLI::CheckedTransformer(kinds));
    running->add_option("--warm-up", options.warm_up, "Leave entries due in the first so many ms out of the latencies");
    running->add_option("--drain", options.drain, "Seconds to wait for the last entries");
    running->add_option("--opening", options.opening, "Seconds to wait for all connections");
    running->add_option("--postgres-host", options.postgres_host,
                        "Watch when rows are visible: PostgreSQL's socket folder");
    running->add_option("--postgres-port", options.postgres_port);
    running->add_option("--postgres-database", options.postgres_database);
    running->add_option("--watch-interval", options.watch_interval, "ms between two looks")
        ->check(CLI::Range(1, 10'000));

    std::string ca, out;
    std::uint64_t first = 1'000'000'000, count = 1;
    auto* making = app.add_subcommand("identities",
                                      "Makes appliances' certificates and prints what the database must know of them.");
    making->add_option("--ca", ca, "Folder of ca.pem and ca.key")->required();
    making->add_option("--out", out, "Folder for the identities")->required();
    making->add_option("--first", first, "The first UTM id");
    making->add_option("--count", count)->check(CLI::Range(1, 100'000));
    CLI11_PARSE(app, argc, argv);

    if (*making) {
        const auto made = make_identities(ca, out, first, count);
        if (!made) {
            fmt::print(stderr, "load: {}\n", made.error().what);
        }
        return made ? 0 : 1;
    }
    for (const auto& text : phases) {
        if (const auto wrong = read_phase(text, options.phases.emplace_back()); !wrong.empty()) {
            fmt::print(stderr, "load: --phase {}: {}\n", text, wrong);
            return 2;
        }
    }
    return run(options);
}
