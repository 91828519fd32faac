// A role's process: signals, start and stop order, events, metrics, health, clock. Not a framework: a role's run() builds
// plain objects in scope order, registers what runs, and calls process.run().
//
//   base::Expected<void> run(platform::Process& process, const platform::Config& config) {
//       store::Pool pool{...};                       // parts: nothing runs yet
//       Server server{pool, process.events()};
//       process.starts("server", [&] { return server.start(); }, [&](auto limit) { server.stop(limit); });
//       process.loops("mailer", [&](std::stop_token stop) { return mailer.run(stop); });
//       return process.run();                        // until SIGTERM, SIGINT or a part's failure
//   }                                                // what runs has stopped before what it borrows goes
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/failure.h"
#include "platform/clock.h"
#include "platform/config.h"
#include "platform/events.h"
#include "platform/health.h"
#include "platform/http_status.h"
#include "platform/metrics.h"

namespace mimamori::platform {

class Process {
  public:
    // Blocks SIGTERM and SIGINT for this thread and those it makes, ignores SIGPIPE. Make it before any thread.
    static base::Expected<std::unique_ptr<Process>> make(const Config& config);
    ~Process();

    const std::string& role() const { return role_; }
    const Clock& clock() const { return clock_; }
    Events& events() { return events_; }
    Metrics& metrics() { return metrics_; }
    Health& health() { return health_; }
    std::stop_token stop_token() const { return stop_.get_token(); }

    // A part with its own threads. `stop` is called once if `start` succeeded, with the time left for draining;
    // when it returns nothing of the part runs any more.
    void starts(std::string name, std::function<base::Expected<void>()> start,
                std::function<void(std::chrono::milliseconds limit)> stop);

    // A part that is one loop: gets a thread of its own, which ends soon after `stop` is requested. Returning a failure
    // stops the whole process; returning without one before a stop does too.
    void loops(std::string name, std::function<base::Expected<void>(std::stop_token stop)> loop);

    // Any thread: stop the process as if a signal had come; a reason makes run() return it.
    void request_stop(std::optional<base::Failure> reason = std::nullopt);

    // Starts the parts in order, waits, stops them in reverse order. If that takes longer than `process.drain_limit_ms`
    // the process ends at once with exit code 70: nothing depends on a clean end.
    base::Expected<void> run();

    // Says in the log that the role ended with a failure.
    void failed(const base::Failure& failure);

    std::uint16_t status_port() const { return status_.port(); }

  private:
    struct Part {
        std::string name;
        std::function<base::Expected<void>()> start;
        std::function<void(std::chrono::milliseconds)> stop;
    };
    Process(std::string role, ProcessConfig settings, ObservabilityConfig observability, Clock clock);
    void watch_signals(std::stop_token stop);
    void stop_parts(std::size_t started);

    std::string role_;
    ProcessConfig settings_;
    ObservabilityConfig observability_;
    Clock clock_;
    Metrics metrics_;
    Events events_;
    Health health_;
    HttpStatus status_;
    std::stop_source stop_;
    std::mutex mutex_;
    std::condition_variable_any stopped_;
    std::optional<base::Failure> reason_;
    std::vector<Part> parts_;
    int wake_fd_ = -1;
    std::jthread signals_;
};

}  // namespace mimamori::platform
