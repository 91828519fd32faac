#include "appliance-agent/log.h"

#include <poll.h>
#include <unistd.h>
#include <utility>

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace mimamori::agent {

std::string json_text(std::string_view text, std::size_t max_bytes) {
    std::string out = "\"";
    for (const char c : base::to_single_line(base::to_valid_utf8(text, max_bytes))) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out += '"';
}

void Log::write(Level level, std::string_view event, std::string_view detail) {
    static constexpr std::string_view names[] = {"info", "warning", "error"};
    const auto minute =
        std::chrono::duration_cast<std::chrono::minutes>(std::chrono::steady_clock::now().time_since_epoch()).count();
    const std::lock_guard lock{mutex_};
    auto known = seen_.find(event);
    if (known == seen_.end()) {
        known = seen_.emplace(event, Seen{}).first;
    }
    auto& seen = known->second;
    if (seen.minute != minute) {
        seen.minute = minute;
        seen.lines = 0;
    }
    if (seen.lines >= lines_a_minute) {
        ++seen.left_out;
        return;
    }
    ++seen.lines;
    auto line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"event\":{}", base::format_rfc3339(now_()),
                            names[static_cast<int>(level)], json_text(event));
    if (!detail.empty()) {
        line += ",\"detail\":" + json_text(detail);
    }
    const auto left_out = std::exchange(seen.left_out, 0);
    if (left_out > 0) {
        line += fmt::format(",\"left_out\":{}", left_out);
    }
    line += "}\n";
    pollfd reader{descriptor_, POLLOUT, 0};
    if (::poll(&reader, 1, 0) == 1) {
        [[maybe_unused]] const auto put = ::write(descriptor_, line.data(), line.size());
    } else {
        seen.left_out = left_out + 1;  // nobody reads the log: the agent goes on all the same
    }
}

}  // namespace mimamori::agent
