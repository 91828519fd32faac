#include "platform/events.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"

namespace mimamori::platform {
namespace {

std::string_view level_name(Level level) {
    switch (level) {
        case Level::info:
            return "info";
        case Level::warning:
            return "warning";
        case Level::error:
            return "error";
        case Level::alarm:
            return "alarm";
    }
    return "error";
}

// The character at the front of well-formed UTF-8 and its length in bytes.
std::pair<char32_t, std::size_t> front_character(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    char32_t code = length == 1 ? lead : lead & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
    }
    return {code, length};
}

// base decides what may stand on one line: what it would blank out is escaped here.
bool is_printable(std::string_view character) {
    return base::to_single_line(character) == character;
}

void append_escaped(std::string& out, char32_t code) {
    const auto unit = [&](unsigned value) { fmt::format_to(std::back_inserter(out), "\\u{:04x}", value); };
    if (code >= 0x10000) {
        unit(0xD800U + ((code - 0x10000) >> 10));
        unit(0xDC00U + ((code - 0x10000) & 0x3FF));
    } else {
        unit(static_cast<unsigned>(code));
    }
}

struct ValueText {
    std::string operator()(std::string_view text) const { return json_quoted(text); }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    // JSON knows no infinity and no "not a number".
    std::string operator()(double number) const {
        return number - number == 0 ? fmt::format("{}", number) : std::string{"null"};
    }
    template <class Integer>
    std::string operator()(Integer number) const {
        return fmt::format("{}", number);
    }
};

}  // namespace

std::string json_quoted(std::string_view text, std::size_t max_bytes) {
    const auto valid = base::to_valid_utf8(text, max_bytes);
    std::string out{"\""};
    out.reserve(valid.size() + 2);
    for (std::string_view rest{valid}; !rest.empty();) {
        const auto [code, length] = front_character(rest);
        if (code == '"' || code == '\\') {
            out.push_back('\\');
            out.push_back(static_cast<char>(code));
        } else if (code == '\n') {
            out.append("\\n");
        } else if ((code >= 0x20 && code < 0x7F) || is_printable(rest.substr(0, length))) {
            out.append(rest.substr(0, length));
        } else {
            append_escaped(out, code);
        }
        rest.remove_prefix(length);
    }
    out.push_back('"');
    return out;
}

std::string_view kind_name(base::FailureKind kind) {
    switch (kind) {
        case base::FailureKind::retry:
            return "retry";
        case base::FailureKind::conflict:
            return "conflict";
        case base::FailureKind::refused:
            return "refused";
        case base::FailureKind::unknown:
            return "unknown";
        case base::FailureKind::stopping:
            return "stopping";
    }
    return "unknown";
}

Events::Events(std::string role, Metrics& metrics, int fd) : role_{std::move(role)}, metrics_{metrics}, fd_{fd} {}

void Events::emit(const Event& event, std::initializer_list<Field> fields) {
    const auto now = std::chrono::steady_clock::now();
    const std::scoped_lock lock{mutex_};
    auto found = seen_.find(event.id);
    if (found == seen_.end()) {
        auto& counter = metrics_.counter("mimamori_events_total", "Operational events, by id of the runbook.",
                                         {{"event", std::string{event.id}}, {"level", std::string{level_name(event.level)}}});
        found = seen_.emplace(event.id, Seen{.counter = &counter}).first;
    }
    auto& seen = found->second;
    seen.counter->Increment();
    if (now - seen.second_began >= std::chrono::seconds{1}) {
        seen.second_began = now;
        seen.lines = 0;
    }
    if (seen.lines >= lines_per_second) {
        ++seen.left_out;
        return;
    }
    ++seen.lines;
    const auto at = std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
    auto line = fmt::format(R"({{"time":"{}","level":"{}","role":{},"event":"{}","help":{})", base::format_rfc3339(at),
                            level_name(event.level), json_quoted(role_), event.id, json_quoted(event.help));
    for (const auto& field : fields) {
        line += fmt::format(",{}:{}", json_quoted(field.key), std::visit(ValueText{}, field.value));
    }
    const auto left_out = std::exchange(seen.left_out, 0);
    if (left_out != 0) {
        line += fmt::format(R"(,"left_out":{})", left_out);
    }
    line += "}\n";
    // A full or closed stderr must not stop the service; the counter has the event in any case.
    pollfd reader{fd_, POLLOUT, 0};
    if (::poll(&reader, 1, 0) == 1) {
        [[maybe_unused]] const auto written = ::write(fd_, line.data(), line.size());
    } else {
        seen.left_out = left_out + 1;
    }
}

}  // namespace mimamori::platform
