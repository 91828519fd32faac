#include "adapters/hyperscan/pack_matcher.h"

#include <hs.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <utility>

namespace mimamori::adapters::hyperscan {

using domain::PackDefect;
using domain::RuleIndex;

namespace {

struct FreeDatabase {
    void operator()(hs_database_t* database) const { hs_free_database(database); }
};
using Database = std::unique_ptr<hs_database_t, FreeDatabase>;

struct CompileError {
    hs_compile_error_t* error = nullptr;
    CompileError() = default;
    CompileError(const CompileError&) = delete;
    CompileError& operator=(const CompileError&) = delete;
    ~CompileError() { hs_free_compile_error(error); }
};

std::string lowered(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

// Every expression that Hyperscan refuses by itself; compiling all at once tells only the first.
std::vector<PackDefect> refused(const domain::RulePack& pack, const std::vector<const char*>& expressions,
                                const std::vector<unsigned>& flags, const std::vector<unsigned>& ids) {
    std::vector<PackDefect> defects;
    for (std::size_t i = 0; i < expressions.size(); ++i) {
        hs_database_t* database = nullptr;
        CompileError told;
        if (hs_compile(expressions[i], flags[i], HS_MODE_BLOCK, nullptr, &database, &told.error) == HS_SUCCESS) {
            hs_free_database(database);
            continue;
        }
        const auto& rule = pack.rules[ids[i]];
        defects.push_back({rule.line, "rule \"" + rule.id + "\": the pattern is refused: " + told.error->message +
                                          " Write it without look-around and back-references"});
    }
    return defects;
}

}  // namespace

struct CompiledPatterns::Parts {
    using Names = std::unordered_map<std::string, std::vector<RuleIndex>>;
    Names exact;           // as written
    Names exact_lowered;   // of caseless rules, in lower case
    Database expressions;  // null: the pack has none
};

CompiledPatterns::CompiledPatterns(std::unique_ptr<const Parts> parts) : parts_{std::move(parts)} {}
CompiledPatterns::~CompiledPatterns() = default;

tl::expected<std::shared_ptr<const CompiledPatterns>, std::vector<PackDefect>> CompiledPatterns::compile(
    const domain::RulePack& pack) {
    auto parts = std::make_unique<Parts>();
    std::vector<const char*> expressions;
    std::vector<unsigned> flags;
    std::vector<unsigned> ids;
    for (RuleIndex i = 0; i < pack.rules.size(); ++i) {
        const auto& rule = pack.rules[i];
        if (rule.is_regex) {
            expressions.push_back(rule.pattern.c_str());
            flags.push_back(HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH | (rule.caseless ? HS_FLAG_CASELESS : 0U));
            ids.push_back(i);
        } else if (rule.caseless) {
            parts->exact_lowered[lowered(rule.pattern)].push_back(i);
        } else {
            parts->exact[rule.pattern].push_back(i);
        }
    }
    if (!expressions.empty()) {
        hs_database_t* database = nullptr;
        CompileError told;
        const auto result =
            hs_compile_multi(expressions.data(), flags.data(), ids.data(), static_cast<unsigned>(expressions.size()),
                             HS_MODE_BLOCK, nullptr, &database, &told.error);
        if (result != HS_SUCCESS) {
            auto defects = refused(pack, expressions, flags, ids);
            if (defects.empty()) {
                defects.push_back(
                    {pack.line, "the patterns are refused together: " + std::string{told.error->message}});
            }
            return tl::unexpected{std::move(defects)};
        }
        parts->expressions.reset(database);
    }
    return std::make_shared<const CompiledPatterns>(std::move(parts));
}

struct PackMatcher::Scratch {
    hs_scratch_t* scratch = nullptr;
    Scratch() = default;
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { hs_free_scratch(scratch); }
};

PackMatcher::PackMatcher(std::shared_ptr<const CompiledPatterns> patterns, std::unique_ptr<Scratch> scratch)
    : patterns_{std::move(patterns)}, scratch_{std::move(scratch)} {}
PackMatcher::~PackMatcher() = default;

base::Expected<std::unique_ptr<PackMatcher>> PackMatcher::create(std::shared_ptr<const CompiledPatterns> patterns) {
    auto scratch = std::make_unique<Scratch>();
    if (const auto* database = patterns->parts_->expressions.get();
        database != nullptr && hs_alloc_scratch(database, &scratch->scratch) != HS_SUCCESS) {
        return base::failure(base::FailureKind::retry, "no memory for the pattern matcher's scratch space");
    }
    return std::unique_ptr<PackMatcher>{new PackMatcher{std::move(patterns), std::move(scratch)}};
}

std::span<const RuleIndex> PackMatcher::match(std::string_view name) {
    found_.clear();
    const auto& parts = *patterns_->parts_;
    const auto add_from = [&](const CompiledPatterns::Parts::Names& names, const std::string& key) {
        if (const auto found = names.find(key); found != names.end()) {
            found_.insert(found_.end(), found->second.begin(), found->second.end());
        }
    };
    add_from(parts.exact, std::string{name});
    add_from(parts.exact_lowered, lowered(name));
    if (parts.expressions != nullptr && !name.empty()) {
        const auto on_match = [](unsigned id, unsigned long long, unsigned long long, unsigned, void* found) {
            static_cast<std::vector<RuleIndex>*>(found)->push_back(id);
            return 0;
        };
        const auto size = static_cast<unsigned>(std::min<std::size_t>(name.size(), UINT32_MAX));
        const auto result =
            hs_scan(parts.expressions.get(), name.data(), size, 0, scratch_->scratch, on_match, &found_);
        if (result != HS_SUCCESS) {
            std::abort();  // scratch of another database or used by two threads: a programming error, never input
        }
    }
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return found_;
}

}  // namespace mimamori::adapters::hyperscan
