#include "bench/load/driver.h"

#include <algorithm>
#include <utility>

namespace mimamori::bench {
namespace {

constexpr std::int64_t look_interval_us = 100'000;
constexpr std::int64_t between_scans_us = 1'000;

}  // namespace

Driver::Driver(const Options& options, const Traffic& traffic, const Target& target)
    : options_{options}, traffic_{traffic}, target_{target} {}

Driver::~Driver() {
    stop();
}

void Driver::add(std::string utm_id, agent::uplink::Identity identity, std::size_t number) {
    const auto index = appliances_.size();
    appliances_.push_back(std::make_unique<Appliance>(
        options_, traffic_, std::move(utm_id), number, tally_, [this, index, identity = std::move(identity)] {
            return std::make_unique<Connection>(target_, identity, poller_, index);
        }));
}

void Driver::start() {
    at_.assign(appliances_.size(), INT64_MAX);
    thread_ = std::thread{[this] { run(); }};
}

void Driver::stop() {
    if (thread_.joinable()) {
        stop_ = true;
        poller_.wake();
        thread_.join();
        for (const auto& appliance : appliances_) {
            appliance->close();
        }
    }
}

void Driver::seen(const std::vector<Seen>& seen) {
    {
        const std::lock_guard lock{mutex_};
        seen_.insert(seen_.end(), seen.begin(), seen.end());
    }
    poller_.wake();
}

Standing Driver::standing() const {
    const std::lock_guard lock{mutex_};
    return standing_;
}

std::string Driver::failed() const {
    const std::lock_guard lock{mutex_};
    return failed_;
}

std::string Driver::last_end() const {
    const std::lock_guard lock{mutex_};
    return last_end_;
}

void Driver::run() {
    std::vector<Seen> seen;
    bool began = false, finished = false;
    std::int64_t next_scan = 0, next_look = 0;
    while (!stop_) {
        const auto until = std::min(std::max(earliest_, next_scan), next_look);
        const auto ready = poller_.wait(std::max<std::int64_t>(0, until - steady_us()));
        const auto now = steady_us();
        {
            const std::lock_guard lock{mutex_};
            seen.swap(seen_);
        }
        if (const auto at = begin_at_.load(); at != 0 && !std::exchange(began, at != 0)) {
            tally_.latencies.from_us = at + std::chrono::microseconds{options_.warm_up}.count();
            for (std::size_t i = 0; i < appliances_.size(); ++i) {
                appliances_[i]->begin(at);
                at_[i] = earliest_ = 0;
            }
        }
        if (finish_ && !std::exchange(finished, true)) {
            for (std::size_t i = 0; i < appliances_.size(); ++i) {
                appliances_[i]->finish();
                at_[i] = earliest_ = 0;
            }
        }
        for (const auto& one : seen) {
            appliances_[one.appliance]->see(one.lane, one.before, one.at_us);
            step(one.appliance, now);  // there may be room again
        }
        seen.clear();
        for (const auto appliance : ready) {
            appliances_[appliance]->read();
            step(appliance, now);
        }
        open_some(now);
        if (now >= earliest_ && now >= next_scan) {
            next_scan = now + between_scans_us;
            earliest_ = INT64_MAX;
            for (std::size_t i = 0; i < appliances_.size(); ++i) {
                if (at_[i] <= now) {
                    step(i, now);
                }
                earliest_ = std::min(earliest_, at_[i]);
            }
        }
        if (now >= next_look) {
            next_look = now + look_interval_us;
            look(now);
        }
    }
}

void Driver::step(std::size_t appliance, std::int64_t now_us) {
    at_[appliance] = appliances_[appliance]->step(now_us);
    earliest_ = std::min(earliest_, at_[appliance]);
}

void Driver::open_some(std::int64_t now_us) {
    if (opened_ == appliances_.size()) {
        return;
    }
    const auto most = std::max<std::size_t>(1, options_.opening_at_once / options_.threads);
    const auto first = opened_ - std::min(opened_, 4 * most);  // those before have had their time
    auto opening = static_cast<std::size_t>(std::count_if(appliances_.begin() + static_cast<std::ptrdiff_t>(first),
                                                          appliances_.begin() + static_cast<std::ptrdiff_t>(opened_),
                                                          [](const auto& appliance) { return appliance->opening(); }));
    for (; opening < most && opened_ < appliances_.size(); ++opening, ++opened_) {
        appliances_[opened_]->open(now_us);
        at_[opened_] = earliest_ = 0;
    }
}

void Driver::look(std::int64_t now_us) {
    Standing now{0, tally_.entries, tally_.settled, 0, 0};
    for (const auto& appliance : appliances_) {
        now.connected += appliance->connected() ? 1U : 0U;
        now.owed += appliance->owed(now_us);
        now.under_way += appliance->under_way();
    }
    const std::lock_guard lock{mutex_};
    standing_ = now;
    failed_ = tally_.failed;
    last_end_ = tally_.last_end;
}

}  // namespace mimamori::bench
