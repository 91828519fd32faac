// gRPC's framing of messages in a byte stream (its protocol over HTTP/2, "Length-Prefixed-Message"), and its status
// texts. Not HTTP/2 itself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <google/protobuf/message_lite.h>

namespace mimamori::adapters::grpc {

constexpr std::size_t message_prefix_bytes = 5;  // a flag and the length

void append_message(std::string& out, const google::protobuf::MessageLite& message);

// Bytes in, whole messages out. Keeps no memory while it holds no byte.
class MessageReader {
  public:
    enum class Next { message, incomplete, compressed, too_long };

    explicit MessageReader(std::size_t max_message_bytes) : max_{max_message_bytes} {}

    void append(std::string_view bytes) { bytes_.append(bytes); }
    // What comes next; of a message, its bytes, which last until pop() or append(). Neither a compressed nor a too long
    // message is ever passed: there is nothing behind it.
    Next peek(std::string_view& message) const;
    void pop();  // the message that peek() showed
    bool empty() const { return bytes_.empty(); }
    std::size_t max_message_bytes() const { return max_; }
    void set_max_message_bytes(std::size_t max) { max_ = max; }

  private:
    std::size_t max_;
    std::size_t begin_ = 0;  // of what is not popped
    std::string bytes_;
};

// A status message as the header grpc-message carries it: everything but printable ASCII, and '%', percent-encoded.
std::string percent_encoded(std::string_view text);

}  // namespace mimamori::adapters::grpc
