#include "admin/command_line.h"

#include <sys/stat.h>

#include <cstdio>
#include <functional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "admin/commands.h"

namespace mimamori::admin {
namespace {

using Command = std::function<Output(const Context&)>;

// Options of all commands live here while the chosen one runs.
struct Options {
    std::string config_file;
    std::vector<std::string> sets;
    bool json = false;
    DatabaseCreate database;
    AuthorityCreate authority;
    GatewayCertificate gateway;
    ApplianceCertificate appliance;
    Revocation revocation;
    Report report;
    std::string file, utm_id;
    bool closed_too = false;
    std::int64_t alarm = 0;
    int months = 6;
    int days = 30;
    int older_than_days = 0;
    int trace_days = 35;
    std::string traced;
    Command chosen;
};

CLI::App* group(CLI::App& app, const char* name, const char* help) {
    auto* out = app.add_subcommand(name, help);
    out->require_subcommand(1);
    return out;
}

CLI::App* command(Options& options, CLI::App* parent, const char* name, const char* help, Command run) {
    auto* out = parent->add_subcommand(name, help);
    out->callback([&options, run = std::move(run)] { options.chosen = run; });
    return out;
}

void add_database(CLI::App& app, Options& o) {
    auto* database = group(app, "database", "the database and its schema");
    auto* create = command(o, database, "create", "make the database roles, their passwords and the empty database",
                           [&o](const Context& c) { return create_database(c, o.database); });
    create->add_option("--superuser", o.database.superuser, "database superuser")->capture_default_str();
    create->add_option("--superuser-password-file", o.database.superuser_password_file, "file with the superuser's password");
    create->add_option("--maintenance-database", o.database.maintenance_database, "database to connect to")->capture_default_str();
    command(o, database, "migrate", "bring the schema up to this program's version", migrate_database);
    command(o, database, "restored", "tell the service that a backup was restored, before its roles start again", database_restored);
    auto* topics = group(app, "topics", "the topics in Kafka");
    command(o, topics, "create", "make the topics and their rows in the database", create_topics);
    auto* partitions = group(app, "partitions", "monthly partitions of the large tables");
    command(o, partitions, "ensure", "make the partitions of the coming months",
            [&o](const Context& c) { return ensure_partitions(c, o.months); })
        ->add_option("--months", o.months, "how many, this one included")->check(CLI::Range(1, 120))->capture_default_str();
    command(o, partitions, "drop", "drop months that lie wholly further back, with all rows in them",
            [&o](const Context& c) { return drop_partitions(c, o.older_than_days); })
        ->add_option("--older-than-days", o.older_than_days, "at least the setting admin.retention_days")
        ->required()
        ->check(CLI::Range(1, 36'500));
}

void add_certificates(CLI::App& app, Options& o) {
    auto* ca = group(app, "ca", "the certificate authority");
    auto* create = command(o, ca, "create", "make the authority's key and certificate",
                           [&o](const Context& c) { return create_authority(c, o.authority); });
    create->add_option("--out", o.authority.out, "folder for ca.pem and ca.key")->required();
    create->add_option("--name", o.authority.name, "the authority's name")->capture_default_str();
    create->add_option("--days", o.authority.days, "validity")->capture_default_str();
    auto* gateway = command(o, ca, "issue-gateway", "make a gateway's key and certificate",
                            [&o](const Context& c) { return issue_gateway_certificate(c, o.gateway); });
    gateway->add_option("--ca", o.gateway.authority, "folder of ca.pem and ca.key")->required();
    gateway->add_option("--name", o.gateway.names, "DNS name or IP address that agents connect to; several allowed")->required();
    gateway->add_option("--out", o.gateway.out, "folder for gateway.pem and gateway.key")->required();
    gateway->add_option("--days", o.gateway.days, "validity")->capture_default_str();

    auto* certificate = group(app, "certificate", "appliances' certificates");
    auto* issue = command(o, certificate, "issue", "make an appliance's key and certificate for its present rental",
                          [&o](const Context& c) { return issue_certificate(c, o.appliance); });
    issue->add_option("--ca", o.appliance.authority, "folder of ca.pem and ca.key")->required();
    issue->add_option("--utm-id", o.appliance.utm_id, "the appliance")->required();
    issue->add_option("--out", o.appliance.out, "folder for agent.pem, agent.key and ca.pem")->required();
    issue->add_option("--days", o.appliance.days, "validity")->capture_default_str();
    auto* revoke = command(o, certificate, "revoke", "let a certificate, or all of an appliance's present rental, in no more",
                           [&o](const Context& c) { return revoke_certificate(c, o.revocation); });
    auto* which = revoke->add_option_group("which");
    which->add_option("--utm-id", o.revocation.utm_id, "the appliance");
    which->add_option("--fingerprint", o.revocation.fingerprint, "SHA-256 of the certificate, in hexadecimal");
    which->require_option(1);
}

void add_tenants(CLI::App& app, Options& o) {
    auto* apply = app.add_subcommand("apply", "make or change operator, resellers, customers, sites, appliances as a file declares them");
    apply->add_option("file", o.file, "YAML file")->required();
    apply->callback([&o] { o.chosen = [&o](const Context& c) { return apply_tenants(c, o.file); }; });
    auto* rental = group(app, "rental", "appliances at sites");
    command(o, rental, "end", "the appliance was returned", [&o](const Context& c) { return end_rental(c, o.utm_id); })
        ->add_option("--utm-id", o.utm_id, "the appliance")->required();
    auto* pack = group(app, "pack", "rule packs");
    command(o, pack, "check", "say everything that is wrong with a pack", [&o](const Context& c) { return check_pack(c, o.file); })
        ->add_option("file", o.file, "YAML file")->required();
    command(o, pack, "load", "check a pack and store it for good", [&o](const Context& c) { return load_pack(c, o.file); })
        ->add_option("file", o.file, "YAML file")->required();
    auto* texts = group(app, "mail-texts", "the wording of mails");
    command(o, texts, "load", "check mail texts and store them for good", [&o](const Context& c) { return load_mail_texts(c, o.file); })
        ->add_option("file", o.file, "YAML file")->required();
}

void add_watch(CLI::App& app, Options& o) {
    auto* alarms = group(app, "alarms", "what needs a person");
    command(o, alarms, "list", "open alarms; deploy/runbook says what each means", [&o](const Context& c) { return list_alarms(c, o.closed_too); })
        ->add_flag("--all", o.closed_too, "closed ones too");
    command(o, alarms, "close", "the trouble is over", [&o](const Context& c) { return close_alarm(c, o.alarm); })
        ->add_option("id", o.alarm, "the alarm's number")->required();
    app.add_subcommand("status", "where everything stands")->callback([&o] { o.chosen = show_status; });
    auto* follow = app.add_subcommand("trace", "follow one detection from its entry to its mails");
    follow->add_option("id", o.traced, "a detection's id, an アラートID, or STREAM/SEQUENCE")->required();
    follow->add_option("--days", o.trace_days, "how far back a detection's id is looked for")
        ->check(CLI::Range(1, 36'500))
        ->capture_default_str();
    follow->callback([&o] { o.chosen = [&o](const Context& c) { return trace(c, o.traced, o.trace_days); }; });
    auto* check = app.add_subcommand("verify", "compare stored rows with counters, and the audit log with its hashes");
    check->add_option("--days", o.days, "streams opened within so many days")->check(CLI::Range(1, 36'500))->capture_default_str();
    check->callback([&o] { o.chosen = [&o](const Context& c) { return verify(c, o.days); }; });
}

void add_reports(CLI::App& app, Options& o) {
    auto* report = app.add_subcommand("report", "a table of the programme for a period, tab-separated");
    report->add_option("table", o.report.name, "which")->required()->check(CLI::IsMember(report_names()));
    report->add_option("--from", o.report.from, "first day, as 2020-09-01")->required();
    report->add_option("--until", o.report.until, "the day after the last, as 2021-01-01")->required();
    report->add_option("--by", o.report.by, "what customers are grouped by")
        ->check(CLI::IsMember({"size", "industry", "prefecture"}))->capture_default_str();
    report->add_option("--top", o.report.top, "how many threats of each function")->check(CLI::Range(1, 1000))->capture_default_str();
    report->callback([&o] { o.chosen = [&o](const Context& c) { return show_report(c, o.report); }; });
}

}  // namespace

int command_line(int argc, const char* const* argv) {
    Options options;
    CLI::App app{"The operator's command line", "mimamori admin"};
    app.require_subcommand(1);
    app.fallthrough();  // the options below may also stand after the command
    app.add_option("--config", options.config_file, "TOML file of settings")->envname("MIMAMORI_CONFIG");
    app.add_option("--set", options.sets, "section.key=value; goes before environment and file");
    app.add_flag("--json", options.json, "output for programs");
    add_database(app, options);
    add_certificates(app, options);
    add_tenants(app, options);
    add_reports(app, options);
    add_watch(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    ::umask(077);
    auto context = platform::Config::load("admin", options.config_file, options.sets, platform::process_environment())
                       .and_then([&](platform::Config&& config) { return make_context(std::move(config), options.json); });
    if (!context) {
        fmt::print(stderr, "{}\n", context.error().what);
        return 2;
    }
    const auto output = options.chosen(*context);
    if (!output) {
        fmt::print(stderr, "{}\n", output.error().what);
        return 1;
    }
    std::fputs(output->c_str(), stdout);
    return 0;
}

}  // namespace mimamori::admin
