// The operator's use cases, one function each. They return what to print; errors say what to do. Parsing of the command
// line is command_line.cc's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/context.h"

namespace mimamori::admin {

// database.cc
struct DatabaseCreate {
    std::string superuser = "postgres";
    std::string superuser_password_file;  // empty: none (peer authentication on a socket)
    std::string maintenance_database = "postgres";
};
// Database roles, their passwords (files in postgres.password_directory, made 0600 where missing), the empty database.
Output create_database(const Context& context, const DatabaseCreate& options);
Output migrate_database(const Context& context);
// After a backup was restored and before any role starts: a new generation, so that nobody believes older messages.
Output database_restored(const Context& context);

// topics.cc
Output create_topics(const Context& context);

// authority.cc
struct AuthorityCreate {
    std::string out;
    std::string name = "mimamori appliance authority";
    int days = 3650;
};
Output create_authority(const Context& context, const AuthorityCreate& options);
struct GatewayCertificate {
    std::string authority, out;
    std::vector<std::string> names;
    int days = 397;
};
Output issue_gateway_certificate(const Context& context, const GatewayCertificate& options);
struct ApplianceCertificate {
    std::string authority, out, utm_id;
    int days = 825;
};
Output issue_certificate(const Context& context, const ApplianceCertificate& options);
struct Revocation {
    std::string utm_id, fingerprint;  // one of them
};
Output revoke_certificate(const Context& context, const Revocation& options);

// tenants.cc
Output apply_tenants(const Context& context, const std::string& file);
Output end_rental(const Context& context, const std::string& utm_id);

// packs.cc
Output check_pack(const Context& context, const std::string& file);
Output load_pack(const Context& context, const std::string& file);
Output load_mail_texts(const Context& context, const std::string& file);

// reports.cc
struct Report {
    std::string name;  // of report_names()
    std::string from, until;  // dates or times, Japan's where no zone is given
    std::string by = "size";  // of "customers"
    std::int64_t top = 10;    // of "threats"
};
std::vector<std::string> report_names();
// A table of the programme as tab-separated text, its first line the header.
Output show_report(const Context& context, const Report& options);

// watch.cc
Output list_alarms(const Context& context, bool closed_too);
Output close_alarm(const Context& context, std::int64_t id);
Output ensure_partitions(const Context& context, int months);
// Drops whole months older than that; refused within the time of retention.
Output drop_partitions(const Context& context, int older_than_days);
// Compares stored rows with the streams' counters, and the audit log with its hashes; fails if they disagree.
Output verify(const Context& context, int days);

// status.cc
// Also asks Kafka how much is not applied yet, but waits for it a few seconds at most.
Output show_status(const Context& context);

// trace.cc
// `id`: a detection's id, an アラートID, or STREAM/SEQUENCE as alarms name an entry. A detection's id is looked for
// among what was received within `days`.
Output trace(const Context& context, const std::string& id, int days);

}  // namespace mimamori::admin
