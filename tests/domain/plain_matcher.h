// The plainest pattern matcher: one POSIX regular expression after the other. The oracle of the production engine, and
// the engine of tests that are about something else. Names hold no NUL.
#pragma once

#include <regex.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "domain/pattern_matcher.h"

namespace mimamori::tests {

class PlainMatcher final : public domain::PatternMatcher {
  public:
    explicit PlainMatcher(const domain::RulePack& pack) : pack_{pack} {
        for (const auto& rule : pack.rules) {
            regexes_.emplace_back(new regex_t{});
            const int flags = REG_EXTENDED | REG_NOSUB | (rule.caseless ? REG_ICASE : 0);
            if (regcomp(regexes_.back().get(), rule.is_regex ? rule.pattern.c_str() : "x", flags) != 0) {
                throw std::invalid_argument{"no POSIX expression: " + rule.pattern};
            }
        }
    }

    std::span<const domain::RuleIndex> match(std::string_view name) override {
        ++calls;
        found_.clear();
        const std::string text{name};
        for (domain::RuleIndex i = 0; i < pack_.rules.size(); ++i) {
            const auto& rule = pack_.rules[i];
            const bool hit = rule.is_regex   ? regexec(regexes_[i].get(), text.c_str(), 0, nullptr, 0) == 0
                             : rule.caseless ? lowered(text) == lowered(rule.pattern)
                                             : name == rule.pattern;
            if (hit) {
                found_.push_back(i);
            }
        }
        return found_;
    }

    int calls = 0;

  private:
    struct Free {
        void operator()(regex_t* regex) const {
            regfree(regex);
            delete regex;
        }
    };
    static std::string lowered(std::string text) {
        for (auto& c : text) {
            c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        }
        return text;
    }

    const domain::RulePack& pack_;
    std::vector<std::unique_ptr<regex_t, Free>> regexes_;
    std::vector<domain::RuleIndex> found_;
};

}  // namespace mimamori::tests
