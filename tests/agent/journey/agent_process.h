// The real executable as a child process, with a folder, a certificate and a log of its own: the one of this build, or
// which the environment's MIMAMORI_AGENT_PROGRAM names.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "support/test_certificates.h"

namespace mimamori::test {

class AgentProcess {
  public:
    // `addresses` of gateways, most tests one. `extra` is put at the head of the settings, `more_sources` at their end.
    AgentProcess(const TestAuthority& authority, const std::vector<std::string>& addresses,
                 const std::string& extra = {}, const std::string& more_sources = {});
    ~AgentProcess();
    AgentProcess(const AgentProcess&) = delete;
    AgentProcess& operator=(const AgentProcess&) = delete;

    std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
    std::string log_file() const { return path("utm.ndjson").string(); }
    std::string eve_file() const { return path("eve.json").string(); }
    std::string config_file() const { return path("agent.toml").string(); }
    const TemporaryFolder& folder() const { return folder_; }

    void start();
    void kill();                // SIGKILL
    std::optional<int> stop();  // SIGTERM; its exit status, or nothing if it was killed by something else
    std::optional<int> wait_for_end();
    void stand_still();                        // SIGSTOP
    bool comes_to_wait_for(int signal) const;  // which is pending while it stands still
    void go_on();                              // SIGCONT
    long resident_kib() const;                 // of the running process

    struct Output {
        int status;
        std::string out, err;
    };
    // Runs it to its end with these arguments.
    static Output run(const std::vector<std::string>& arguments);

  private:
    TemporaryFolder folder_;
    pid_t child_ = -1;
};

}  // namespace mimamori::test
