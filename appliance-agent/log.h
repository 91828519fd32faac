// The agent's log: one JSON object a line on stderr, written with one call. Text may be attacker-written: it is made
// valid UTF-8, cut, and kept on one line.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/time.h"

namespace mimamori::agent {

enum class Level { info, warning, error };

class Log {
  public:
    // `now` stamps the lines.
    explicit Log(std::function<base::Time()> now, int descriptor = 2) : now_{std::move(now)}, descriptor_{descriptor} {}

    // Any thread. At most lines_a_minute of one event in a minute; the first line after says how many were left out.
    void write(Level level, std::string_view event, std::string_view detail = {});

    static constexpr unsigned lines_a_minute = 60;

  private:
    struct Seen {
        std::int64_t minute = 0;
        unsigned lines = 0;
        std::uint64_t left_out = 0;
    };
    std::function<base::Time()> now_;
    int descriptor_;
    std::mutex mutex_;
    std::map<std::string, Seen, std::less<>> seen_;
};

// With its quotes.
std::string json_text(std::string_view text, std::size_t max_bytes = 1000);

}  // namespace mimamori::agent
