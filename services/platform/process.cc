#include "platform/process.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "platform/process_events.h"

namespace mimamori::platform {
namespace {

constexpr int drain_overrun_exit_code = 70;

sigset_t stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

// Every connection is a file; a listener that runs out of them may never recover.
void raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

// Ends the process if it is still there after `limit`.
std::jthread drain_watch(std::chrono::milliseconds limit, Events& events) {
    return std::jthread{[limit, &events](std::stop_token done) {
        std::mutex mutex;
        std::condition_variable_any changed;
        std::unique_lock lock{mutex};
        changed.wait_for(lock, done, limit, [&] { return done.stop_requested(); });
        if (!done.stop_requested()) {
            events.emit(process_drain_overrun, {{"limit_ms", limit.count()}});
            std::_Exit(drain_overrun_exit_code);
        }
    }};
}

}  // namespace

base::Expected<std::unique_ptr<Process>> Process::make(const Config& config) {
    auto settings = read_process(config);
    if (!settings) {
        return tl::unexpected{settings.error()};
    }
    auto observability = read_observability(config);
    if (!observability) {
        return tl::unexpected{observability.error()};
    }
    Clock clock;
    if (!settings->clock_file.empty()) {
        auto steered = Clock::steered_by(settings->clock_file);
        if (!steered) {
            return tl::unexpected{steered.error()};
        }
        clock = std::move(*steered);
    }
    return std::unique_ptr<Process>{
        new Process{config.role(), std::move(*settings), std::move(*observability), std::move(clock)}};
}

Process::Process(std::string role, ProcessConfig settings, ObservabilityConfig observability, Clock clock)
    : role_{std::move(role)},
      settings_{std::move(settings)},
      observability_{std::move(observability)},
      clock_{std::move(clock)},
      events_{role_, metrics_},
      status_{health_, metrics_},
      wake_fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    const auto signals = stop_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    signals_ = std::jthread{[this](std::stop_token stop) { watch_signals(stop); }};
}

Process::~Process() {
    signals_.request_stop();
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto woken = ::write(wake_fd_, &one, sizeof one);
    signals_.join();
    ::close(wake_fd_);
}

// wait for a signal or the destructor: first signal > stop in order; second > end at once
void Process::watch_signals(std::stop_token stop) {
    const auto set = stop_signals();
    const int fd = ::signalfd(-1, &set, SFD_CLOEXEC);
    std::array<pollfd, 2> sources{{{fd, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
    while (!stop.stop_requested()) {
        if (::poll(sources.data(), sources.size(), -1) < 0 || (sources[0].revents & POLLIN) == 0) {
            continue;
        }
        signalfd_siginfo info{};
        if (::read(fd, &info, sizeof info) != sizeof info) {
            continue;
        }
        if (stop_.stop_requested()) {
            std::_Exit(128 + static_cast<int>(info.ssi_signo));
        }
        request_stop();
    }
    ::close(fd);
}

void Process::starts(std::string name, std::function<base::Expected<void>()> start,
                     std::function<void(std::chrono::milliseconds)> stop) {
    parts_.push_back({std::move(name), std::move(start), std::move(stop)});
}

void Process::loops(std::string name, std::function<base::Expected<void>(std::stop_token)> loop) {
    auto thread = std::make_shared<std::jthread>();
    parts_.push_back({name,
                      [this, name, thread, loop = std::move(loop)]() -> base::Expected<void> {
                          *thread = std::jthread{[this, name, loop](std::stop_token stop) {
                              auto result = loop(stop);
                              if (!result) {
                                  request_stop(base::Failure{result.error().kind, name + ": " + result.error().what});
                              } else if (!stop.stop_requested()) {
                                  request_stop();
                              }
                          }};
                          return {};
                      },
                      [thread](std::chrono::milliseconds) {
                          thread->request_stop();
                          thread->join();
                      }});
}

void Process::request_stop(std::optional<base::Failure> reason) {
    {
        const std::scoped_lock lock{mutex_};
        if (reason && !reason_) {
            reason_ = std::move(reason);
        }
    }
    stop_.request_stop();
}

void Process::stop_parts(std::size_t started) {
    const auto deadline = std::chrono::steady_clock::now() + settings_.drain_limit;
    const auto watch = drain_watch(settings_.drain_limit, events_);
    for (std::size_t i = started; i-- > 0;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        parts_[i].stop(std::max(left, std::chrono::milliseconds{0}));
    }
}

base::Expected<void> Process::run() {
    if (!observability_.listen.empty()) {
        auto listening = parse_host_port(observability_.listen).and_then([&](const HostPort& address) {
            return status_.start(address);
        });
        if (!listening) {
            return listening;
        }
    }
    std::size_t started = 0;
    while (started < parts_.size() && !stop_.stop_requested()) {
        auto result = parts_[started].start();
        if (!result) {
            request_stop(base::Failure{result.error().kind, parts_[started].name + ": " + result.error().what});
            break;
        }
        ++started;
    }
    if (!stop_.stop_requested()) {
        events_.emit(process_started, {{"parts", started}, {"status_port", status_.port()}});
    }
    {
        std::unique_lock lock{mutex_};
        stopped_.wait(lock, stop_.get_token(), [this] { return stop_.stop_requested(); });
    }
    health_.stopping();
    {
        const std::scoped_lock lock{mutex_};
        if (reason_) {
            events_.emit(process_part_failed, {{"failure", kind_name(reason_->kind)}, {"detail", reason_->what}});
        }
    }
    events_.emit(process_stopping);
    stop_parts(started);
    parts_.clear();
    status_.stop();
    events_.emit(process_stopped);
    const std::scoped_lock lock{mutex_};
    if (reason_) {
        return tl::unexpected{*reason_};
    }
    return {};
}

void Process::failed(const base::Failure& failure) {
    events_.emit(process_failed, {{"failure", kind_name(failure.kind)}, {"detail", failure.what}});
}

}  // namespace mimamori::platform
