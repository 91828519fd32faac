#include "adapters/grpc/messages.h"

#include <cstdint>

namespace mimamori::adapters::grpc {
namespace {

std::size_t length_at(std::string_view prefix) {
    std::size_t length = 0;
    for (std::size_t i = 1; i < message_prefix_bytes; ++i) {
        length = length << 8U | static_cast<std::uint8_t>(prefix[i]);
    }
    return length;
}

}  // namespace

void append_message(std::string& out, const google::protobuf::MessageLite& message) {
    const auto length = message.ByteSizeLong();
    out.push_back(0);  // not compressed
    for (int shift = 24; shift >= 0; shift -= 8) {
        out.push_back(static_cast<char>(length >> static_cast<unsigned>(shift) & 0xffU));
    }
    message.AppendToString(&out);
}

MessageReader::Next MessageReader::peek(std::string_view& message) const {
    const auto rest = std::string_view{bytes_}.substr(begin_);
    if (!rest.empty() && rest.front() != 0) {
        return Next::compressed;
    }
    if (rest.size() < message_prefix_bytes) {
        return Next::incomplete;
    }
    const auto length = length_at(rest);
    if (length > max_) {
        return Next::too_long;
    }
    if (rest.size() - message_prefix_bytes < length) {
        return Next::incomplete;
    }
    message = rest.substr(message_prefix_bytes, length);
    return Next::message;
}

void MessageReader::pop() {
    begin_ += message_prefix_bytes + length_at(std::string_view{bytes_}.substr(begin_));
    if (begin_ == bytes_.size()) {
        begin_ = 0;
        std::string{}.swap(bytes_);
    } else if (begin_ >= bytes_.size() / 2) {  // so that moving bytes costs no more than they did
        bytes_.erase(0, begin_);
        begin_ = 0;
    }
}

std::string percent_encoded(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '%') {
            out.push_back(c);
        } else {
            out += {'%', digits[byte >> 4U], digits[byte & 0xfU]};
        }
    }
    return out;
}

}  // namespace mimamori::adapters::grpc
