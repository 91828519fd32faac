#include "appliance-agent/check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "appliance-agent/sources/syslog_source.h"
#include "appliance-agent/status.h"

namespace mimamori::agent {
namespace {

std::string parent_of(const std::string& path) {
    const auto slash = path.find_last_of('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string_view format_text(sources::LineFormat format) {
    switch (format) {
        case sources::LineFormat::native:
            return "native lines";
        case sources::LineFormat::suricata_eve:
            return "Suricata EVE";
        case sources::LineFormat::sonicwall:
            return "SonicWall syslog";
        case sources::LineFormat::fortigate:
            return "FortiGate syslog";
    }
    return {};
}

void check_listener(const SourceConfig& source, Check& out) {
    out.notes.push_back(fmt::format("source {}: listens on {} for {}, from {}", source.id, source.path,
                                    format_text(source.format),
                                    source.listen->allow.empty() ? "anyone who reaches it" : "allowed addresses only"));
    if (const auto socket = sources::open_listener(*source.listen, source.path); !socket) {
        if (socket.error().kind == base::FailureKind::conflict) {
            out.notes.push_back(
                fmt::format("source {}: in use by another program, perhaps a running agent", source.id));
        } else {
            out.errors.push_back(fmt::format("source {}: {}", source.id, socket.error().what));
        }
    }
}

void check_source(const SourceConfig& source, Check& out) {
    if (source.listen) {
        check_listener(source, out);
        return;
    }
    struct stat facts {};
    if (::stat(source.path.c_str(), &facts) != 0) {
        if (errno == ENOENT && ::access(parent_of(source.path).c_str(), X_OK) == 0) {
            out.notes.push_back(
                fmt::format("source {}: {} is not there yet and will be waited for", source.id, source.path));
        } else {
            out.errors.push_back(fmt::format("source {}: {}: {}", source.id, source.path, std::strerror(errno)));
        }
    } else if (!S_ISREG(facts.st_mode)) {
        out.errors.push_back(fmt::format("source {}: {} is no regular file", source.id, source.path));
    } else if (::access(source.path.c_str(), R_OK) != 0) {
        out.errors.push_back(fmt::format("source {}: {} may not be read by this user", source.id, source.path));
    } else {
        out.notes.push_back(
            fmt::format("source {}: follows {} as {}", source.id, source.path, format_text(source.format)));
    }
}

void check_state_dir(const Config& config, Check& out) {
    struct stat facts {};
    const bool is_there = ::stat(config.state_dir.c_str(), &facts) == 0;
    if (is_there && !S_ISDIR(facts.st_mode)) {
        out.errors.push_back(config.state_dir + " is no folder");
        return;
    }
    const auto where = is_there ? config.state_dir : parent_of(config.state_dir);
    if (::access(where.c_str(), W_OK | X_OK) != 0) {
        out.errors.push_back(
            fmt::format("{}: {}; the agent's state cannot be kept there", where, std::strerror(errno)));
        return;
    }
    out.notes.push_back(fmt::format("spool: up to {} MiB in {}", config.spool.max_bytes >> 20U, config.spool.folder));
    if (::access((config.spool.folder + "/lock").c_str(), F_OK) == 0) {
        const auto lock = spool::posix_filesystem().lock(config.spool.folder + "/lock");
        if (!lock && lock.error().kind == spool::FileError::Kind::busy) {
            out.notes.push_back("spool: in use by a running agent");
        }
    }
}

}  // namespace

Check check(const Config& config, base::Time real_now) {
    Check out;
    if (const auto identity = uplink::read_identity(config.uplink.certificates, real_now)) {
        out.notes.push_back(fmt::format("certificate: {}, valid until {}", identity->common_name,
                                        base::format_rfc3339(identity->not_after)));
        const auto owner = read_small_file(config.spool.folder + "/owner");
        if (owner && *owner != identity->common_name) {
            out.errors.push_back(
                fmt::format("the spool in {} belongs to {}, the certificate to {}: move the folder away",
                            config.spool.folder, *owner, identity->common_name));
        }
    } else {
        out.errors.push_back(identity.error().what);
    }
    for (const auto& address : config.uplink.addresses) {
        out.notes.push_back(
            fmt::format("gateway: {}{}", address,
                        config.uplink.server_name.empty() ? "" : ", certificate of " + config.uplink.server_name));
    }
    check_state_dir(config, out);
    for (const auto& source : config.sources) {
        check_source(source, out);
    }
    if (!config.firmware_version_file.empty() && ::access(config.firmware_version_file.c_str(), R_OK) != 0) {
        out.errors.push_back(
            fmt::format("firmware_version_file {}: {}", config.firmware_version_file, std::strerror(errno)));
    }
    return out;
}

}  // namespace mimamori::agent
