#include "appliance-agent/sources/framer.h"

#include <algorithm>

namespace mimamori::agent::sources {
namespace {

bool is_byte_order_mark(char c, std::uint64_t offset) {
    static constexpr std::string_view mark = "\xEF\xBB\xBF";
    return offset < mark.size() && mark[offset] == c;
}

}  // namespace

bool Framer::is_between(char c) const {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0' ||
           (framing_ == Framing::objects && (c == ',' || c == '[' || c == ']'));
}

void Framer::restart(std::uint64_t offset) {
    next_ = offset;
    state_ = State::between;
    held_.clear();
}

void Framer::begin(State state, std::uint64_t offset) {
    state_ = state;
    begin_ = offset;
    size_ = 0;
    held_.clear();
    depth_ = 0;
    in_string_ = escaped_ = first_column_ = line_start_ = overlong_ = false;
}

void Framer::keep(std::string_view bytes) {
    size_ += bytes.size();
    if (!overlong_ && size_ > max_bytes_) {
        overlong_ = true;
        held_.append(bytes.substr(0, kept_bytes_ - std::min(kept_bytes_, held_.size())));
        held_.resize(std::min(held_.size(), kept_bytes_));
        held_.shrink_to_fit();
    } else if (!overlong_) {
        held_.append(bytes);
    }
}

void Framer::end(FrameFault fault, const Sink& sink) {
    std::string_view text = held_;
    while (!overlong_ && !text.empty() && (text.back() == '\r' || text.back() == '\n')) {
        text.remove_suffix(1);
    }
    state_ = State::between;
    sink(Frame{.offset = begin_, .size = size_, .text = text, .fault = overlong_ ? FrameFault::too_long : fault});
    held_.clear();
    if (held_.capacity() > 4 * kept_bytes_) {
        held_.shrink_to_fit();
    }
}

// True if the object ends with this byte.
bool Framer::take_object_byte(char c) {
    if (in_string_) {
        if (escaped_) {
            escaped_ = false;
        } else if (c == '\\') {
            escaped_ = true;
        } else if (c == '"') {
            in_string_ = false;
        }
        return false;
    }
    switch (c) {
        case '"':
            in_string_ = true;
            break;
        case '{':
        case '[':
            ++depth_;
            break;
        case '}':
        case ']':
            return --depth_ == 0;
        default:
            break;
    }
    return false;
}

void Framer::feed(std::string_view bytes, const Sink& sink) {
    std::size_t from = 0;  // first byte of `bytes` that belongs to the frame and is not kept yet
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const char c = bytes[i];
        const std::uint64_t offset = next_ + i;
        if (state_ == State::between) {
            if (is_between(c) || is_byte_order_mark(c, offset)) {
                continue;
            }
            begin(c == '{' && framing_ == Framing::objects ? State::object : State::other, offset);
            from = i;
        }
        if (state_ == State::other) {
            if (c == '\n') {
                keep(bytes.substr(from, i - from));
                end(fault_of_line(), sink);
            }
            continue;
        }
        if (line_start_ && c == '{' && (first_column_ || offset - begin_ > max_bytes_)) {
            keep(bytes.substr(from, i - from));
            end(FrameFault::broken_off, sink);
            begin(State::object, offset);
            from = i;
        }
        if (c == '\n') {
            if (in_string_) {
                keep(bytes.substr(from, i - from));
                end(FrameFault::broken_off, sink);
                continue;
            }
            first_column_ = line_start_ = true;
            continue;
        }
        first_column_ = false;
        line_start_ = line_start_ && (c == ' ' || c == '\t' || c == '\r');
        if (take_object_byte(c)) {
            keep(bytes.substr(from, i + 1 - from));
            end(FrameFault::none, sink);
        }
    }
    if (state_ != State::between) {
        keep(bytes.substr(from));
    }
    next_ += bytes.size();
}

void Framer::finish(const Sink& sink) {
    if (state_ != State::between) {
        end(state_ == State::other ? fault_of_line() : FrameFault::broken_off, sink);
    }
}

}  // namespace mimamori::agent::sources
