// Cuts a log's bytes into lines, or into JSON objects: one a line, or pretty-printed over many lines inside an array.
// It only counts braces and quotes; whether an object is good JSON is the parser's business. Tolerant between them:
// blanks and NULs are passed over, commas and brackets between objects, and a byte order mark at the file's beginning.
//
// A broken object never swallows the next one: it ends where a line ends inside a string, or before a line whose first
// column opens an object (beyond the bound: before any line that begins by opening one). Where an object begins depends
// on the bytes alone, not on how they were fed, so reading again from any `settled_offset` gives the same frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace mimamori::agent::sources {

enum class FrameFault {
    none,           // a line, or braces balance: `text` is all of it
    not_an_object,  // a line that does not begin like one
    broken_off,     // the line or the file ended before the object did
    too_long,       // `text` is the beginning only
    bad_count,      // of a connection: no octet count where one must stand; nothing after it can be read
};

struct Frame {
    std::uint64_t offset = 0;  // of its first byte in the file
    std::uint64_t size = 0;    // bytes it took in the file
    std::string_view text;     // valid during the call
    FrameFault fault = FrameFault::none;
};

enum class Framing { objects, lines };

class Framer {
  public:
    using Sink = std::function<void(const Frame&)>;

    // Of a frame longer than `max_bytes` only the first `kept_bytes` are held.
    Framer(Framing framing, std::size_t max_bytes, std::size_t kept_bytes)
        : framing_(framing), max_bytes_(max_bytes), kept_bytes_(kept_bytes) {}

    void restart(std::uint64_t offset);                   // forgets what was begun; the next byte is at `offset`
    void feed(std::string_view bytes, const Sink& sink);  // bytes that follow those fed before
    void finish(const Sink& sink);                        // nothing more comes: a begun object is broken off

    // Everything before it has been given to the sink: the begun frame's start, or the next byte. Not during `feed`.
    std::uint64_t settled_offset() const { return state_ == State::between ? next_ : begin_; }

  private:
    enum class State { between, object, other };
    void begin(State state, std::uint64_t offset);
    void keep(std::string_view bytes);
    void end(FrameFault fault, const Sink& sink);
    bool take_object_byte(char c);
    bool is_between(char c) const;
    FrameFault fault_of_line() const {
        return framing_ == Framing::lines ? FrameFault::none : FrameFault::not_an_object;
    }

    Framing framing_;
    std::size_t max_bytes_;
    std::size_t kept_bytes_;
    State state_ = State::between;
    std::uint64_t next_ = 0;   // offset of the byte to come
    std::uint64_t begin_ = 0;  // of the frame
    std::uint64_t size_ = 0;
    std::string held_;
    std::size_t depth_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
    bool first_column_ = false;  // the byte before was a newline
    bool line_start_ = false;    // only blanks since the newline
    bool overlong_ = false;
};

}  // namespace mimamori::agent::sources
