#include "appliance-agent/hang_guard.h"

#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <string_view>

namespace mimamori::agent {
namespace {

constexpr std::chrono::milliseconds time_to_say_so{5000};
// Whole, as nothing can be formatted in a signal's handler, nor the log's lock be taken: who hangs may hold it.
constexpr std::string_view last_line =
    "{\"level\":\"error\",\"event\":\"hung\",\"detail\":\"the agent's loop has not come round for hang_limit_ms\"}\n";

void ring_in(std::chrono::milliseconds time) {
    itimerval timer{};
    timer.it_value.tv_sec = time.count() / 1000;
    timer.it_value.tv_usec = time.count() % 1000 * 1000;
    ::setitimer(ITIMER_REAL, &timer, nullptr);
}

void on_alarm(int) {
    ring_in(time_to_say_so);  // by now SIGALRM kills: nobody may be reading the log
    [[maybe_unused]] const auto put = ::write(STDERR_FILENO, last_line.data(), last_line.size());
    ::_exit(1);
}

}  // namespace

HangGuard::HangGuard(std::chrono::milliseconds limit) : limit_{limit} {
    struct sigaction action {};
    action.sa_handler = on_alarm;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    ::sigaction(SIGALRM, &action, nullptr);
    alive();
}

HangGuard::~HangGuard() {
    ring_in({});
}

void HangGuard::alive() {
    ring_in(limit_);
}

}  // namespace mimamori::agent
