#include "appliance-agent/sources/syslog_stream.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace mimamori::agent::sources {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

}  // namespace

bool SyslogStream::feed(std::string_view bytes, const Framer::Sink& sink) {
    while (!bytes.empty()) {
        switch (state_) {
            case State::undecided: {
                held_.push_back(bytes.front());
                bytes.remove_prefix(1);
                if (!decide(sink)) {
                    return false;
                }
                break;
            }
            case State::lines:
                lines_.feed(bytes, sink);
                return true;
            case State::count:
                if (!take_count(bytes, sink)) {
                    return false;
                }
                break;
            case State::message:
                take_message(bytes, sink);
                break;
        }
    }
    return true;
}

// With the beginning in held_: leaves `undecided` as soon as it can be told.
bool SyslogStream::decide(const Framer::Sink& sink) {
    const auto digits = std::min(held_.find_first_not_of("0123456789"), held_.size());
    const bool may_count = held_.front() != '0' && digits > 0 && digits <= max_count_digits &&
                           (digits == held_.size() || held_[digits] == ' ') &&
                           (digits + 1 >= held_.size() || held_[digits + 1] == '<');
    if (may_count && held_.size() < digits + 2) {
        return true;
    }
    state_ = may_count ? State::count : State::lines;
    const auto begun = std::exchange(held_, {});
    return feed(begun, sink);
}

// Takes one byte of "57 "; newlines before it are passed over, as some senders put them.
bool SyslogStream::take_count(std::string_view& bytes, const Framer::Sink& sink) {
    const char c = bytes.front();
    if (held_.empty() && (c == '\n' || c == '\r')) {
        bytes.remove_prefix(1);
        return true;
    }
    if (is_digit(c) && held_.size() < max_count_digits && !(held_.empty() && c == '0')) {
        held_.push_back(c);
        bytes.remove_prefix(1);
        return true;
    }
    if (c != ' ' || held_.empty()) {
        held_.append(bytes.substr(0, kept_bytes_));
        size_ = held_.size();
        give(FrameFault::bad_count, sink);
        return false;
    }
    bytes.remove_prefix(1);
    std::from_chars(held_.data(), held_.data() + held_.size(), left_);
    size_ = left_;
    held_.clear();
    state_ = State::message;
    return true;
}

void SyslogStream::take_message(std::string_view& bytes, const Framer::Sink& sink) {
    const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    const auto room = (size_ > max_bytes_ ? kept_bytes_ : max_bytes_) - held_.size();
    held_.append(bytes.substr(0, std::min(here, room)));
    bytes.remove_prefix(here);
    left_ -= here;
    if (left_ == 0) {
        give(size_ > max_bytes_ ? FrameFault::too_long : FrameFault::none, sink);
        state_ = State::count;
    }
}

void SyslogStream::give(FrameFault fault, const Framer::Sink& sink) {
    std::string_view text = held_;
    while (!text.empty() && (text.back() == '\r' || text.back() == '\n')) {
        text.remove_suffix(1);
    }
    sink(Frame{.offset = 0, .size = size_, .text = text, .fault = fault});
    held_.clear();
}

void SyslogStream::finish(const Framer::Sink& sink) {
    if (state_ == State::undecided && !held_.empty()) {
        lines_.feed(std::exchange(held_, {}), sink);
        lines_.finish(sink);
    } else if (state_ == State::lines) {
        lines_.finish(sink);
    } else if (state_ == State::message || (state_ == State::count && !held_.empty())) {
        size_ = state_ == State::message ? size_ - left_ : held_.size();
        give(FrameFault::broken_off, sink);
    }
    state_ = State::undecided;
}

}  // namespace mimamori::agent::sources
