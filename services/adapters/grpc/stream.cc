#include <utility>

#include "adapters/grpc/reactor.h"

namespace mimamori::adapters::grpc {
namespace {

::grpc::StatusCode status_code(CloseCode code) {
    switch (code) {
        case CloseCode::bad_request:
            return ::grpc::StatusCode::INVALID_ARGUMENT;
        case CloseCode::not_allowed:
            return ::grpc::StatusCode::PERMISSION_DENIED;
        case CloseCode::replaced:
            return ::grpc::StatusCode::ABORTED;
        case CloseCode::busy:
            return ::grpc::StatusCode::RESOURCE_EXHAUSTED;
        case CloseCode::unavailable:
            break;
    }
    return ::grpc::StatusCode::UNAVAILABLE;
}

}  // namespace

Reactor::Reactor(::grpc::CallbackServerContext& context, std::uint64_t id, PeerCertificate certificate,
                 StreamEvents& events, std::atomic<std::size_t>& open_streams)
    : id_{id}, certificate_{certificate}, events_{events}, open_streams_{open_streams}, context_{&context} {
    open_streams_.fetch_add(1, std::memory_order_relaxed);
}

void Reactor::open(const std::shared_ptr<Reactor>& self) {
    self->self_ = self;
    self->events_.on_opened(self);
}

std::string Reactor::peer() const {
    auto& self = const_cast<Reactor&>(*this);
    const std::lock_guard lock{self.mutex_};
    return context_ == nullptr ? std::string{} : context_->peer();
}

void Reactor::read_next() {
    {
        const std::lock_guard lock{mutex_};
        if (reading_ || finished_ || closing_ || broken_) {
            return;
        }
        reading_ = true;
        ++pins_;
    }
    pinned([&] { StartRead(&incoming_); });
}

void Reactor::write(GatewayFrame frame) {
    Step step;
    bool overflow = false;
    {
        const std::lock_guard lock{mutex_};
        if (finished_ || closing_ || broken_) {
            return;
        }
        overflow = queue_.size() >= max_queued_frames;
        if (overflow) {
            closing_ = ::grpc::Status{status_code(CloseCode::busy), "the agent does not read what the gateway writes"};
        } else {
            queue_.push_back(std::move(frame));
            step = next_step();
        }
    }
    if (overflow) {
        cancel();  // the write in flight may never end by itself
    }
    take(std::move(step));
}

void Reactor::finish(CloseCode code, std::string reason) {
    Step step;
    {
        const std::lock_guard lock{mutex_};
        if (finished_ || closing_) {
            return;
        }
        closing_ = ::grpc::Status{status_code(code), std::move(reason)};
        step = next_step();
    }
    take(std::move(step));
}

void Reactor::cancel() {
    {
        const std::lock_guard lock{mutex_};
        if (finished_) {
            return;
        }
        broken_ = true;
        queue_.clear();
        ++pins_;
    }
    pinned([&] { context_->TryCancel(); });
}

template <class Call>
void Reactor::pinned(Call call) {
    call();
    Step step;
    {
        const std::lock_guard lock{mutex_};
        --pins_;
        step = next_step();
    }
    take(std::move(step));
}

Reactor::Step Reactor::next_step() {
    Step step;
    if (writing_ || finished_ || pins_ > 0) {
        return step;
    }
    if (!broken_ && !queue_.empty()) {
        outgoing_ = std::move(queue_.front());
        queue_.pop_front();
        writing_ = true;
        step.write = true;
    } else if (broken_ || closing_) {
        finished_ = true;
        step.finish = closing_ ? *closing_ : ::grpc::Status{::grpc::StatusCode::CANCELLED, ""};
    }
    return step;
}

void Reactor::take(Step step) {
    if (step.write) {
        StartWrite(&outgoing_);
    } else if (step.finish) {
        Finish(*step.finish);
    }
}

void Reactor::OnReadDone(bool ok) {
    bool deliver = false;
    Step step;
    {
        const std::lock_guard lock{mutex_};
        reading_ = false;
        deliver = ok && !closing_ && !broken_ && !finished_;
        if (!ok && !closing_) {
            closing_ = ::grpc::Status::OK;  // the agent said good-bye, or is gone
        }
        step = next_step();
    }
    if (deliver) {
        AgentFrame frame = std::exchange(incoming_, AgentFrame{});
        events_.on_frame(*this, std::move(frame));
    }
    take(std::move(step));
}

void Reactor::OnWriteDone(bool ok) {
    Step step;
    {
        const std::lock_guard lock{mutex_};
        writing_ = false;
        broken_ = broken_ || !ok;
        if (queue_.empty()) {
            outgoing_ = GatewayFrame{};
        }
        step = next_step();
    }
    take(std::move(step));
}

void Reactor::OnCancel() {
    Step step;
    {
        const std::lock_guard lock{mutex_};
        broken_ = true;
        queue_.clear();
        step = next_step();
    }
    take(std::move(step));
}

void Reactor::OnDone() {
    {
        const std::lock_guard lock{mutex_};
        finished_ = true;
        context_ = nullptr;
        queue_.clear();
    }
    ended_ = true;
    open_streams_.fetch_sub(1, std::memory_order_relaxed);
    events_.on_closed(*this);
    const auto last = std::move(self_);
}

}  // namespace mimamori::adapters::grpc
