#include "gateway/workers.h"

#include <chrono>
#include <optional>
#include <utility>

namespace mimamori::gateway {

Workers::Workers(store::Login login, std::size_t threads, std::size_t max_queued)
    : login_{std::move(login)}, threads_wanted_{threads}, max_queued_{max_queued} {}

Workers::~Workers() {
    stop();
}

void Workers::start() {
    for (std::size_t i = 0; i < threads_wanted_; ++i) {
        threads_.emplace_back([this] { run(); });
    }
}

void Workers::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopped_ = true;
    }
    changed_.notify_all();
    threads_.clear();
}

bool Workers::submit(Task task) {
    {
        const std::lock_guard lock{mutex_};
        if (stopped_ || queue_.size() >= max_queued_) {
            return false;
        }
        queue_.push_back(std::move(task));
    }
    changed_.notify_one();
    return true;
}

void Workers::run() {
    constexpr std::chrono::seconds between_attempts{1};
    std::optional<store::Connection> connection;
    std::optional<base::Failure> away;
    std::chrono::steady_clock::time_point next_attempt{};
    while (true) {
        Task task;
        {
            std::unique_lock lock{mutex_};
            changed_.wait(lock, [&] { return stopped_ || !queue_.empty(); });
            if (queue_.empty()) {
                return;
            }
            task = std::move(queue_.front());
            queue_.pop_front();
        }
        if (connection && connection->broken()) {
            connection.reset();
        }
        if (!connection && std::chrono::steady_clock::now() >= next_attempt) {
            auto opened = store::Connection::open(login_);
            if (opened) {
                connection.emplace(std::move(*opened));
            } else {
                away = opened.error();
                next_attempt = std::chrono::steady_clock::now() + between_attempts;
            }
        }
        if (connection) {
            task(&*connection);
        } else {
            task(tl::unexpected{*away});
        }
    }
}

}  // namespace mimamori::gateway
