#include "adapters/grpc/uplink_stream.h"

#include <utility>

#include "adapters/grpc/messages.h"

namespace mimamori::adapters::grpc {
namespace {

StatusCode status_code(CloseCode code) {
    switch (code) {
        case CloseCode::bad_request:
            return StatusCode::invalid_argument;
        case CloseCode::not_allowed:
            return StatusCode::permission_denied;
        case CloseCode::replaced:
            return StatusCode::aborted;
        case CloseCode::busy:
            return StatusCode::resource_exhausted;
        case CloseCode::unavailable:
            break;
    }
    return StatusCode::unavailable;
}

}  // namespace

UplinkStream::UplinkStream(std::uint64_t id, const PeerCertificate& certificate, std::string peer, StreamOwner& owner)
    : id_{id}, certificate_{certificate}, peer_{std::move(peer)}, owner_{&owner} {}

void UplinkStream::read_next() {
    const std::lock_guard lock{mutex_};
    asked_ = true;
    if (kept_ && !is_closing()) {
        call();
    }
}

void UplinkStream::write(GatewayFrame frame) {
    const std::lock_guard lock{mutex_};
    if (is_closing()) {
        return;
    }
    if (queued_ >= max_queued_frames) {
        cancelled_ = true;  // who does not read would not read a reason either
        out_.clear();
    } else {
        append_message(out_, frame);
        ++queued_;
    }
    call();
}

void UplinkStream::finish(CloseCode code, std::string reason) {
    close({status_code(code), std::move(reason)});
}

void UplinkStream::close(Status status) {
    const std::lock_guard lock{mutex_};
    if (!is_closing()) {
        closing_ = std::move(status);
        call();
    }
}

void UplinkStream::cancel() {
    const std::lock_guard lock{mutex_};
    if (!cancelled_ && owner_ != nullptr) {
        cancelled_ = true;
        out_.clear();
        call();
    }
}

void UplinkStream::call() {
    if (!std::exchange(called_, true)) {
        owner_->look_after(shared_from_this());
    }
}

bool UplinkStream::wants_the_rest() {
    const std::lock_guard lock{mutex_};
    kept_ = !asked_;
    return asked_;
}

UplinkStream::Offer UplinkStream::offer() {
    const std::lock_guard lock{mutex_};
    if (is_closing()) {
        return Offer::drop;
    }
    kept_ = !std::exchange(asked_, false);
    return kept_ ? Offer::keep : Offer::deliver;
}

UplinkStream::News UplinkStream::take(bool with_bytes) {
    const std::lock_guard lock{mutex_};
    called_ = false;
    News out{{}, closing_, cancelled_};
    if (with_bytes) {
        queued_ = 0;
        out.bytes.swap(out_);
    }
    return out;
}

void UplinkStream::end() {
    {
        const std::lock_guard lock{mutex_};
        owner_ = nullptr;
        out_ = {};
    }
    ended_ = true;
}

}  // namespace mimamori::adapters::grpc
