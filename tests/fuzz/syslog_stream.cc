// A connection's bytes, at once and in pieces: the same messages, none longer than its bound.
#include "appliance-agent/sources/syslog_stream.h"

#include <string>
#include <vector>

#include "fuzz/require.h"

namespace {

using namespace mimamori;
constexpr std::size_t max_bytes = 200, kept_bytes = 50;

std::vector<std::string> messages(std::string_view bytes, std::size_t step, bool& ok) {
    std::vector<std::string> out;
    agent::sources::SyslogStream stream(max_bytes, kept_bytes);
    const auto sink = [&](const agent::sources::Frame& frame) {
        fuzz::require(frame.text.size() <= max_bytes, "a message is within its bound");
        const bool is_lost = frame.fault == agent::sources::FrameFault::bad_count;  // how much came with it is chance
        out.push_back(is_lost ? std::string{} : std::string(frame.text));
    };
    for (ok = true; ok && !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
        ok = stream.feed(bytes.substr(0, step), sink);
    }
    stream.finish(sink);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    bool whole_ok = false, cut_ok = false;
    const auto whole = messages(bytes, bytes.size() + 1, whole_ok);
    const auto cut = messages(bytes, 1 + size % 7, cut_ok);
    fuzz::require(whole_ok == cut_ok && whole == cut, "messages do not depend on how the bytes come");
    return 0;
}
