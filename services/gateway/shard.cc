#include "gateway/shard.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "gateway/events.h"
#include "gateway/session.h"

namespace mimamori::gateway {
namespace {

using adapters::grpc::CloseCode;

constexpr std::chrono::milliseconds timer_interval{100};
constexpr std::chrono::milliseconds nap{1};
constexpr std::size_t enough_to_wake = 256;
constexpr std::int64_t silence_interval_ms = 1000;  // each look goes over all sessions
constexpr std::int64_t cancel_after_ms = 5000;      // a finished stream whose agent does not read

}  // namespace

Shard::Shard(ShardContext& context) : context_{context} {}

Shard::~Shard() {
    stop();
}

void Shard::start() {
    thread_ = std::jthread{[this](std::stop_token stop) { run(stop); }};
}

void Shard::stop() {
    if (thread_.joinable()) {
        thread_.request_stop();
        thread_.join();
    }
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    queue_.clear();
}

void Shard::post(Work work) {
    bool wake = false;
    {
        const std::lock_guard lock{mutex_};
        if (stopped_) {
            return;
        }
        queue_.push_back(std::move(work));
        wake = queue_.size() == (napping_ ? enough_to_wake : 1);
    }
    if (wake) {
        changed_.notify_one();
    }
}

void Shard::run(std::stop_token stop) {
    std::vector<Work> work;
    auto next_timer = std::chrono::steady_clock::now();
    while (true) {
        {
            std::unique_lock lock{mutex_};
            napping_ = true;
            changed_.wait_for(lock, stop, nap, [&] { return queue_.size() >= enough_to_wake; });
            napping_ = false;
            changed_.wait_until(lock, stop, next_timer, [&] { return !queue_.empty(); });
            if (queue_.empty() && stop.stop_requested()) {
                return;
            }
            work.swap(queue_);
        }
        room_.notify_all();
        for (auto& one : work) {
            one();
        }
        work.clear();
        if (std::chrono::steady_clock::now() >= next_timer) {
            next_timer = std::chrono::steady_clock::now() + timer_interval;
            on_timer(steady_ms());
        }
    }
}

void Shard::open(Newcomer newcomer) {
    post([this, shared = std::make_shared<Newcomer>(std::move(newcomer))] { do_open(*shared); });
}

void Shard::frame(std::uint64_t stream_id, pb::AgentFrame frame) {
    post([this, stream_id, shared = std::make_shared<pb::AgentFrame>(std::move(frame))] {
        if (auto* session = find(stream_id); session != nullptr && session->finishing_ms == 0) {
            do_frame(*session, *shared);
        }
    });
}

void Shard::closed(std::uint64_t stream_id) {
    post([this, stream_id] { do_close(stream_id); });
}

void Shard::delivered(std::int32_t partition, std::uint64_t order, std::int64_t offset, bool failed) {
    post([this, partition, order, offset, failed] { do_delivered(partition, order, offset, failed); });
}

void Shard::position_read(std::int32_t number, delivery::LogPosition position) {
    post([this, number, position] {
        auto& mine = partition(number);
        if (mine.view.on_database(position)) {
            look_at_partition(mine);
        }
    });
}

void Shard::progress(std::shared_ptr<const ProgressRecord> record, std::stop_token stop) {
    {
        std::unique_lock lock{mutex_};
        room_.wait(lock, stop, [&] { return stopped_ || queue_.size() < far_behind; });
    }
    post([this, record = std::move(record)] { do_progress(*record); });
}

void Shard::deny(std::shared_ptr<const std::vector<std::string>> fingerprints) {
    post([this, fingerprints = std::move(fingerprints)] {
        for (const auto& [id, session] : sessions_) {
            const auto& print = session->stream->certificate().fingerprint;
            const std::string_view bytes{reinterpret_cast<const char*>(print.data()), print.size()};
            if (session->finishing_ms == 0 && std::binary_search(fingerprints->begin(), fingerprints->end(), bytes)) {
                context_.events.emit(connection_refused, {{"rental", session->origin.rental.value},
                                                          {"detail", "revoked, or the rental ended, while connected"}});
                session->finishing_ms = steady_ms();
                session->stream->finish(CloseCode::not_allowed, "the certificate has been revoked or its rental has ended");
            }
        }
    });
}

void Shard::stop_reading() {
    post([this] { draining_ = true; });
}

void Shard::finish_all() {
    post([this] {
        draining_ = true;
        for (const auto& [id, session] : sessions_) {
            tell_watermarks(*session);
            session->finishing_ms = session->finishing_ms == 0 ? steady_ms() : session->finishing_ms;
            session->stream->finish(CloseCode::unavailable, "the gateway stops");
        }
    });
}

void Shard::on_timer(std::int64_t now_ms) {
    for (auto& [number, mine] : partitions_) {
        if (mine->view.tick_due(!mine->unsettled.empty(), now_ms)) {
            // A tick that cannot be written now is written a second later.
            (void)context_.log.write_tick(number, mine->view.next_order(), base::to_us(context_.clock.now()));
        }
    }
    if (now_ms >= next_silence_ms_) {
        next_silence_ms_ = now_ms + silence_interval_ms;
        look_for_silence(now_ms);
    }
    const std::vector<std::uint64_t> untold{untold_.begin(), untold_.end()};
    for (const auto id : untold) {
        if (auto* session = find(id); session != nullptr && is_due(*session, now_ms)) {
            tell_watermarks(*session);
        }
    }
    const std::vector<std::uint64_t> paused{paused_.begin(), paused_.end()};
    for (const auto id : paused) {
        if (auto* session = find(id)) {
            read_on(*session);
        }
    }
}

void Shard::look_for_silence(std::int64_t now_ms) {
    const auto silent_ms = context_.settings.heartbeat.count() * 3;
    for (const auto& [id, session] : sessions_) {
        if (session->finishing_ms != 0) {
            if (now_ms - session->finishing_ms > cancel_after_ms) {
                session->stream->cancel();
            }
        } else if (now_ms - session->heard_ms > silent_ms && !paused_.contains(id)) {
            // On a slow line one frame may take longer than that.
            if (const auto bytes = session->stream->received_bytes(); bytes != session->heard_bytes) {
                session->heard_ms = now_ms;
                session->heard_bytes = bytes;
                continue;
            }
            session->finishing_ms = now_ms;
            session->stream->finish(CloseCode::unavailable, "no heartbeat for too long");
        }
    }
}

void Shard::do_delivered(std::int32_t number, std::uint64_t order, std::int64_t offset, bool failed) {
    auto& mine = partition(number);
    const bool passed_more = !failed && mine.view.on_landed(order, offset);
    const auto under_way = mine.under_way.extract(order);  // empty: a tick
    if (auto* session = under_way.empty() ? nullptr : find(under_way.mapped().stream_id)) {
        const auto tag = under_way.mapped().tag;
        perform(*session, failed ? session->machine.on_delivery_failed(tag, mine.view.snapshot())
                                 : session->machine.on_delivered(tag, offset, mine.view.snapshot()));
        settle_accounts(*session);
    }
    if (passed_more) {
        look_at_partition(mine);
    }
}

void Shard::do_progress(const ProgressRecord& record) {
    if (record.generation != context_.generation || record.partition < 0 ||
        record.partition >= context_.settings.kafka.partitions) {
        return;
    }
    auto& mine = partition(record.partition);
    const bool moved = mine.view.on_progress(record.generation, record.position);
    for (const auto& stream : record.streams) {
        if (const auto found = by_rental_.find(stream.rental_id); found != by_rental_.end()) {
            perform(*found->second, found->second->machine.on_progress(stream.lane, stream.spool_id, stream.cursor));
            settle_accounts(*found->second);
        }
    }
    if (moved) {
        look_at_partition(mine);
    }
}

// The log moved: has it passed something that is unsettled?
void Shard::look_at_partition(Partition& mine) {
    std::vector<std::uint64_t> ids{mine.passed.begin(), mine.passed.end()};
    while (!mine.ahead.empty() && mine.ahead.front().first <= mine.view.snapshot().passed_order) {
        ids.push_back(mine.ahead.front().second);
        mine.ahead.pop_front();
    }
    for (const auto id : ids) {
        if (auto* session = find(id); session != nullptr && session->machine.has_passed(mine.view.snapshot())) {
            perform(*session, session->machine.on_partition(mine.view.snapshot()));
            settle_accounts(*session);
        }
    }
}

// Keeps the common sum and the partition's sets of sessions true, and reads on if there is room again.
void Shard::settle_accounts(Session& session) {
    const auto bytes = session.machine.unsettled_bytes();
    context_.unsettled_bytes.fetch_add(bytes - session.accounted, std::memory_order_relaxed);  // wraps: a difference
    session.accounted = bytes;
    auto& mine = partition(session.partition);
    const auto keep = [id = session.stream->id()](std::unordered_set<std::uint64_t>& set, bool in) {
        in ? (void)set.insert(id) : (void)set.erase(id);
    };
    keep(mine.unsettled, session.machine.has_unsettled());
    keep(mine.passed, session.machine.has_passed(mine.view.snapshot()));
    if (paused_.contains(session.stream->id())) {
        read_on(session);
    }
}

void Shard::read_on(Session& session) {
    const bool room = session.machine.wants_more() &&
                      context_.unsettled_bytes.load(std::memory_order_relaxed) < context_.settings.max_unsettled_bytes;
    if (!room || draining_ || session.finishing_ms != 0) {
        paused_.insert(session.stream->id());
        return;
    }
    if (paused_.erase(session.stream->id()) > 0) {
        session.heard_ms = steady_ms();  // it was us who did not listen
        session.heard_bytes = session.stream->received_bytes();
    }
    session.stream->read_next();
}

void Shard::do_close(std::uint64_t stream_id) {
    auto* session = find(stream_id);
    if (session == nullptr) {
        return;
    }
    tell_presence(*session, pb::Presence::DISCONNECTED);
    context_.events.emit(session_closed, {{"rental", session->origin.rental.value}});
    forget(*session);
}

void Shard::forget(Session& session) {
    const auto id = session.stream->id();
    context_.unsettled_bytes.fetch_sub(session.accounted, std::memory_order_relaxed);
    partition(session.partition).unsettled.erase(id);
    partition(session.partition).passed.erase(id);
    paused_.erase(id);
    untold_.erase(id);
    if (const auto mine = by_rental_.find(session.origin.rental.value);
        mine != by_rental_.end() && mine->second == &session) {
        by_rental_.erase(mine);
    }
    sessions_.erase(id);
    context_.sessions.Decrement();
}

Shard::Partition& Shard::partition(std::int32_t number) {
    auto& slot = partitions_[number];
    if (!slot) {
        slot = std::make_unique<Partition>(context_.generation);
    }
    return *slot;
}

Shard::Session* Shard::find(std::uint64_t stream_id) {
    const auto found = sessions_.find(stream_id);
    return found == sessions_.end() ? nullptr : found->second.get();
}

}  // namespace mimamori::gateway
