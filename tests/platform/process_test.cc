// A role's process: order of start and stop, signals, failures, the bound on draining.
#include <catch2/catch.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <mutex>

#include "platform/process.h"

using namespace mimamori;
using namespace std::chrono_literals;
using platform::Process;

namespace {

std::unique_ptr<Process> make_process(const std::vector<std::string>& sets = {}) {
    const auto config = platform::Config::load("fleet", "", sets, {});
    REQUIRE(config);
    auto process = Process::make(*config);
    REQUIRE(process);
    return std::move(*process);
}

void run_until_stopped(std::stop_token stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock{mutex};
    never.wait(lock, stop, [&] { return stop.stop_requested(); });
}

// Runs `body` in a process of its own, because it ends or is killed there; its exit code, or minus the signal.
int in_child(const std::function<int()>& body) {
    const auto child = ::fork();
    if (child == 0) {
        ::close(2);
        std::_Exit(body());
    }
    int state = 0;
    ::waitpid(child, &state, 0);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
}

}  // namespace

TEST_CASE("parts start in order and stop in reverse") {
    auto process = make_process();
    std::string story;
    for (const std::string name : {"a", "b", "c"}) {
        process->starts(name, [&story, name]() -> base::Expected<void> { story += "+" + name; return {}; },
                        [&story, name](std::chrono::milliseconds) { story += "-" + name; });
    }
    process->loops("stopper", [&](std::stop_token) -> base::Expected<void> { process->request_stop(); return {}; });
    CHECK(process->run());
    CHECK(story == "+a+b+c-c-b-a");
}

TEST_CASE("a part that cannot start stops those before it and is named in the result") {
    auto process = make_process();
    std::string story;
    process->starts("a", []() -> base::Expected<void> { return {}; }, [&](std::chrono::milliseconds) { story += "-a"; });
    process->starts("b", []() -> base::Expected<void> { return base::failure(base::FailureKind::refused, "no port"); },
                    [&](std::chrono::milliseconds) { story += "-b"; });
    const auto result = process->run();
    REQUIRE_FALSE(result);
    CHECK(result.error().what == "b: no port");
    CHECK(story == "-a");
}

TEST_CASE("a loop that fails takes the process down and is named in the result") {
    auto process = make_process();
    process->loops("mailer", [](std::stop_token) -> base::Expected<void> {
        return base::failure(base::FailureKind::refused, "no relay");
    });
    process->loops("other", [](std::stop_token stop) -> base::Expected<void> { run_until_stopped(stop); return {}; });
    const auto result = process->run();
    REQUIRE_FALSE(result);
    CHECK(result.error().what == "mailer: no relay");
}

TEST_CASE("SIGTERM and SIGINT stop the process in order") {
    for (const int signal : {SIGTERM, SIGINT}) {
        const auto code = in_child([&] {
            auto process = make_process();
            bool stopped = false;
            process->starts("a", [&]() -> base::Expected<void> { ::kill(::getpid(), signal); return {}; },
                            [&](std::chrono::milliseconds) { stopped = true; });
            return process->run() && stopped ? 0 : 1;
        });
        CHECK(code == 0);
    }
}

TEST_CASE("draining longer than the limit ends the process at once") {
    const auto stuck = in_child([&] {
        auto process = make_process({"process.drain_limit_ms=100"});
        process->starts("stuck", []() -> base::Expected<void> { return {}; },
                        [](std::chrono::milliseconds) { ::pause(); });
        process->loops("stopper", [&](std::stop_token) -> base::Expected<void> { process->request_stop(); return {}; });
        return process->run() ? 0 : 1;
    });
    CHECK(stuck == 70);
}

TEST_CASE("a second signal while draining ends the process at once") {
    const auto code = in_child([&] {
        auto process = make_process();
        process->starts("stuck", []() -> base::Expected<void> { ::kill(::getpid(), SIGTERM); return {}; },
                        [](std::chrono::milliseconds) { ::kill(::getpid(), SIGTERM); ::pause(); });
        return process->run() ? 0 : 1;
    });
    CHECK(code == 128 + SIGTERM);
}

TEST_CASE("the status pages live as long as the process runs") {
    auto process = make_process({"observability.listen=127.0.0.1:0"});
    std::uint16_t port = 0;
    process->loops("look", [&](std::stop_token) -> base::Expected<void> { port = process->status_port(); return {}; });
    CHECK(process->run());
    CHECK(port != 0);
    CHECK(process->status_port() == 0);
}
