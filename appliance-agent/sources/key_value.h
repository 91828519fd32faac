// `key=value` text as firewalls write it, cut into its pairs: SonicWall's enhanced syslog and FortiGate's default and
// CSV forms. It never fails: words that are no pair are passed over (a syslog header is such words), a value that is
// cut off is as long as it is. What the keys mean is sonicwall.h's and fortigate.h's business.
//
//   line    an optional "<PRI>", then words apart by blanks; in the CSV form, which the end of the first value shows,
//   by
//           commas that a key follows
//   pair    a word that begins with a key and '='
//   key     letters, digits, '_', '-' and '.'; compared without regard to case
//   value   "..." or '...' up to the same quote where the word may end, `\` takes the next byte as it is; else up to
//   the
//           word's end. Text inside quotes is never looked at for keys.
//   A single quote that nothing closes is a plain byte; a double quote that nothing closes ends with the line.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace mimamori::agent::sources {

class KeyValueLine {
  public:
    static constexpr std::size_t max_pairs = 256;  // later ones are not read

    // `line` must outlive this.
    explicit KeyValueLine(std::string_view line);

    // The value of the first of these keys that has one that is not empty; of a key that stands twice, the first such
    // value. What an attacker can write (names, paths) stands behind what the firewall itself states.
    std::string text(std::initializer_list<std::string_view> keys) const;
    std::string text(std::string_view key) const { return text({key}); }

    std::size_t size() const { return pairs_.size(); }

  private:
    struct Pair {
        std::string_view key;
        std::string_view value;  // without its quotes
        bool escaped;            // holds a backslash that must be taken out
    };
    bool may_end(std::size_t at) const;
    std::size_t closing_quote(std::size_t at, char quote, bool& escaped) const;
    Pair take_pair(std::size_t key, std::size_t& at);

    std::string_view line_;
    bool commas_ = false;             // the CSV form
    bool lone_single_quote_ = false;  // no later single quote closes anything
    std::vector<Pair> pairs_;
};

}  // namespace mimamori::agent::sources
