// Operational events: each is one definition that makes both the JSON log line on stderr and the counter
// mimamori_events_total{event="..."}. Every id has a paragraph under deploy/runbook/ (a test holds the two together).
// There is no other log. Not the alarms table: a role that emits an alarm event also calls store's raise_alarm with the same id.
//
// A role defines its events in its own events.h, exactly in this form:
//   inline constexpr platform::Event stream_closed_by_fork{
//       "stream_closed_by_fork", platform::Level::alarm, "A spool came back older than what was settled."};
// and says that one happened:
//   events.emit(stream_closed_by_fork, {{"stream", stream.value}, {"lane", lane_name}});
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/failure.h"
#include "platform/metrics.h"

namespace mimamori::platform {

enum class Level { info, warning, error, alarm };

struct Event {
    std::string_view id;  // snake_case, unique in the product: variable name, counter label and runbook heading
    Level level;
    std::string_view help;  // one sentence for the person on call
};

// A named value of a log line. Text may be attacker-written: it is made valid UTF-8, cut to 2,000 bytes and escaped.
struct Field {
    template <class T>
    Field(std::string_view name, const T& given) : key{name} {
        if constexpr (std::is_same_v<T, bool>) {
            value = given;
        } else if constexpr (std::is_floating_point_v<T>) {
            value = static_cast<double>(given);
        } else if constexpr (std::is_unsigned_v<T>) {
            value = static_cast<std::uint64_t>(given);
        } else if constexpr (std::is_integral_v<T>) {
            value = static_cast<std::int64_t>(given);
        } else {
            value = std::string_view{given};
        }
    }
    std::string_view key;
    std::variant<std::int64_t, std::uint64_t, double, bool, std::string_view> value;
};

class Events {
  public:
    // Lines go to `fd`, each with one write. `role` is on every line.
    Events(std::string role, Metrics& metrics, int fd = 2);

    // Counts always. Writes at most `lines_per_second` lines a second for each id; the next line says how many were
    // left out. Any thread.
    void emit(const Event& event, std::initializer_list<Field> fields = {});

    static constexpr std::uint64_t lines_per_second = 50;

  private:
    struct Seen {
        prometheus::Counter* counter;
        std::chrono::steady_clock::time_point second_began{};
        std::uint64_t lines = 0;
        std::uint64_t left_out = 0;
    };
    std::string role_;
    Metrics& metrics_;
    int fd_;
    std::mutex mutex_;
    std::map<std::string_view, Seen> seen_;
};

// `text` as a JSON string with its quotes. Control, bidirectional and invisible characters become \u escapes.
std::string json_quoted(std::string_view text, std::size_t max_bytes = 2000);

// What a Failure adds to a line: {"failure", kind_name(f.kind)}, {"detail", f.what}.
std::string_view kind_name(base::FailureKind kind);

}  // namespace mimamori::platform
