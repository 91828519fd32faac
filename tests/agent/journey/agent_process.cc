#include "agent/journey/agent_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "agent/journey/logs.h"

namespace mimamori::test {
namespace {

pid_t spawn(const std::vector<std::string>& arguments, const std::string& out, const std::string& err) {
    std::vector<char*> argv;
    const char* named = std::getenv("MIMAMORI_AGENT_PROGRAM");
    static const std::string program = named != nullptr ? named : MIMAMORI_AGENT_PROGRAM;
    argv.push_back(const_cast<char*>(program.c_str()));
    for (const auto& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    const auto child = ::fork();
    if (child == 0) {
        const int flags = O_WRONLY | O_CREAT | O_APPEND;
        ::dup2(::open(out.c_str(), flags, 0600), 1);
        ::dup2(::open(err.c_str(), flags, 0600), 2);
        ::execv(program.c_str(), argv.data());
        ::_exit(127);
    }
    if (child < 0) {
        throw std::runtime_error("cannot fork");
    }
    return child;
}

std::optional<int> end_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? std::optional{WEXITSTATUS(status)} : std::nullopt;
}

}  // namespace

AgentProcess::AgentProcess(const TestAuthority& authority, const std::vector<std::string>& addresses,
                           const std::string& extra, const std::string& more_sources) {
    const auto pem = authority.issue_appliance("UTM-0001");
    std::string list;
    for (const auto& address : addresses) {
        list += fmt::format("\"{}\",", address);
    }
    folder_.write("agent.toml",
                  fmt::format(R"({}
state_dir = "{}"
status_interval_ms = 100
poll_ms = 10
[gateway]
addresses = [{}]
ca_file = "{}"
certificate_file = "{}"
key_file = "{}"
reconnect_first_ms = 20
reconnect_longest_ms = 200
reconnect_refused_ms = 200
batch_delay_ms = 20
[spool]
segment_kib = 64
[[source]]
id = "utm"
type = "native"
path = "{}"
[[source]]
id = "eve"
type = "suricata-eve"
path = "{}"
{})",
                              extra, path("state").string(), list, folder_.write("ca.pem", authority.certificate()),
                              folder_.write("utm.pem", pem.certificate), folder_.write("utm.key", pem.private_key),
                              log_file(), eve_file(), more_sources));
}

AgentProcess::~AgentProcess() {
    if (child_ > 0) {
        kill();
    }
}

void AgentProcess::start() {
    child_ = spawn({"--config", config_file()}, path("out").string(), path("err").string());
}

void AgentProcess::kill() {
    ::kill(child_, SIGKILL);
    (void)wait_for_end();
}

std::optional<int> AgentProcess::stop() {
    ::kill(child_, SIGTERM);
    return wait_for_end();
}

std::optional<int> AgentProcess::wait_for_end() {
    return end_of(std::exchange(child_, -1));
}

long AgentProcess::resident_kib() const {
    std::ifstream in{fmt::format("/proc/{}/status", child_)};
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("VmRSS:")) {
            return std::stol(line.substr(6));
        }
    }
    return 0;
}

void AgentProcess::stand_still() {
    ::kill(child_, SIGSTOP);
}

void AgentProcess::go_on() {
    ::kill(child_, SIGCONT);
}

bool AgentProcess::comes_to_wait_for(int signal) const {
    return comes_true([&] {
        std::ifstream in{fmt::format("/proc/{}/status", child_)};
        for (std::string line; std::getline(in, line);) {
            if (line.starts_with("ShdPnd:")) {
                return (std::stoull(line.substr(7), nullptr, 16) >> (signal - 1) & 1U) != 0;
            }
        }
        return false;
    });
}

AgentProcess::Output AgentProcess::run(const std::vector<std::string>& arguments) {
    TemporaryFolder folder;
    const auto out = folder.path() / "out";
    const auto err = folder.path() / "err";
    const auto status = end_of(spawn(arguments, out.string(), err.string()));
    return {status.value_or(-1), content_of(out), content_of(err)};
}

}  // namespace mimamori::test
