// A few threads with one PostgreSQL session each, for what must not be waited for elsewhere. The queue is bounded.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "store/connection.h"

namespace mimamori::gateway {

// for ever: take a task; run it with the session, or with a failure if PostgreSQL is away (asked at most once a second)
class Workers {
  public:
    // Gets a session, or why there is none. Must not throw.
    using Task = std::function<void(base::Expected<store::Connection*> connection)>;

    Workers(store::Login login, std::size_t threads, std::size_t max_queued);
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    void start();
    // Ends after the tasks that are queued by now; those that come later are refused.
    void stop();

    // False if the queue is full or the workers have been stopped; then the task will not run.
    [[nodiscard]] bool submit(Task task);

  private:
    void run();

    const store::Login login_;
    const std::size_t threads_wanted_;
    const std::size_t max_queued_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Task> queue_;
    bool stopped_ = false;
    std::vector<std::jthread> threads_;
};

}  // namespace mimamori::gateway
