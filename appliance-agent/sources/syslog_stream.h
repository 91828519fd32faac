// The messages in a TCP connection that carries syslog (RFC 6587): octet counting ("57 <134>id=…") or lines. Which of
// them is told once, by how the connection begins: a count, a blank and '<' are octet counting, anything else is lines.
// Not a socket: it is fed bytes. What a message says is its parser's business, headers included.
#pragma once

#include "appliance-agent/sources/framer.h"

namespace mimamori::agent::sources {

class SyslogStream {
  public:
    // Of a message longer than `max_bytes` only the first `kept_bytes` are held.
    SyslogStream(std::size_t max_bytes, std::size_t kept_bytes)
        : max_bytes_(max_bytes), kept_bytes_(kept_bytes), lines_(Framing::lines, max_bytes, kept_bytes) {}

    // False: a count is missing or absurd, so nothing that follows can be cut into messages. What stood there was given
    // to the sink as bad_count.
    bool feed(std::string_view bytes, const Framer::Sink& sink);
    void finish(
        const Framer::Sink& sink);  // nothing more comes: a begun counted message is broken off, a line is a line

  private:
    static constexpr std::size_t max_count_digits = 8;
    enum class State { undecided, lines, count, message };
    bool decide(const Framer::Sink& sink);
    bool take_count(std::string_view& bytes, const Framer::Sink& sink);
    void take_message(std::string_view& bytes, const Framer::Sink& sink);
    void give(FrameFault fault, const Framer::Sink& sink);

    std::size_t max_bytes_;
    std::size_t kept_bytes_;
    Framer lines_;
    State state_ = State::undecided;
    std::string held_;        // of the beginning, of a count, or of a message
    std::uint64_t size_ = 0;  // of the message
    std::uint64_t left_ = 0;  // bytes of it that are still to come
};

}  // namespace mimamori::agent::sources
