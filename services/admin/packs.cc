#include <fmt/format.h>

#include "adapters/hyperscan/pack_matcher.h"
#include "adapters/mail_texts_yaml/load.h"
#include "adapters/pack_yaml/pack_yaml.h"
#include "adapters/pack_yaml/wording.h"
#include "admin/commands.h"
#include "domain/rule_pack_check.h"
#include "platform/events.h"
#include "platform/files.h"
#include "store/admin_records.h"

namespace mimamori::admin {
namespace {

struct CheckedPack {
    std::string content;
    domain::RulePack pack;
};

// What is wrong with a pack beyond its text: patterns that do not compile, rules that nothing reaches.
std::vector<domain::PackDefect> reach_defects(const domain::RulePack& pack) {
    auto patterns = adapters::hyperscan::CompiledPatterns::compile(pack);
    if (!patterns) {
        return patterns.error();
    }
    auto matcher = adapters::hyperscan::PackMatcher::create(*patterns);
    if (!matcher) {
        return {{0, matcher.error().what}};
    }
    return domain::check_rule_reach(pack, **matcher);
}

// Beyond what the file must hold: how its texts speak to customers.
template <class Texts>
std::vector<domain::PackDefect> wording_defects(const Texts& texts) {
    const auto wording = adapters::pack_yaml::read_wording(adapters::pack_yaml::shipped_wording());
    return wording ? domain::check_wording(texts, *wording) : wording.error();
}

base::Failure refused(const std::string& file, const std::vector<domain::PackDefect>& defects) {
    std::string text = fmt::format("{}: {} defects", file, defects.size());
    for (const auto& defect : defects) {
        text += fmt::format("\n  {}", domain::to_text(defect));
    }
    return {base::FailureKind::refused, std::move(text)};
}

base::Expected<CheckedPack> read_pack(const std::string& file) {
    auto content = platform::read_file(file, adapters::pack_yaml::largest_pack);
    if (!content) {
        return tl::unexpected{content.error()};
    }
    auto pack = adapters::pack_yaml::read_rule_pack(*content);
    auto defects = pack ? domain::check_rule_pack(*pack) : pack.error();
    if (defects.empty()) {
        defects = reach_defects(*pack);
    }
    if (defects.empty()) {
        defects = wording_defects(*pack);
    }
    if (!defects.empty()) {
        return tl::unexpected{refused(file, defects)};
    }
    return CheckedPack{std::move(*content), std::move(*pack)};
}

}  // namespace

Output check_pack(const Context&, const std::string& file) {
    return read_pack(file).map([&](const CheckedPack& checked) {
        return fmt::format("{}: version {}, in force from {} (Japan), {} rules: no defects\n", file, checked.pack.version,
                           base::format_jst(checked.pack.effective_from), checked.pack.rules.size());
    });
}

namespace {

using Store = base::Expected<store::StoredPack> (*)(store::Connection&, std::string_view, base::Time, std::string_view, std::string_view);

// Stores a checked file in one audited transaction and says what became of it.
Output store_checked(const Context& context, Store store_it, std::string_view what, std::string_view version, base::Time effective_from,
                     std::string_view content) {
    store::StoredPack stored{};
    return audited(context,
                   [&](store::Connection& connection) {
                       return store_it(connection, version, effective_from, content, context.actor).map([&](store::StoredPack pack) {
                           stored = pack;
                           return Audit{fmt::format("{}.load", what), fmt::format("{} {}", what, pack.id),
                                        fmt::format("{{\"version\":{},\"made\":{}}}", platform::json_quoted(version), pack.made)};
                       });
                   })
        .map([&] {
            return fmt::format("{} {} (id {}) {}, in force from {} (Japan)\n", what, version, stored.id,
                               stored.made ? "stored" : "was stored already", base::format_jst(effective_from));
        });
}

}  // namespace

Output load_pack(const Context& context, const std::string& file) {
    return read_pack(file).and_then([&](const CheckedPack& checked) {
        return store_checked(context, &store::add_rule_pack, "pack", checked.pack.version, checked.pack.effective_from, checked.content);
    });
}

Output load_mail_texts(const Context& context, const std::string& file) {
    return platform::read_file(file, adapters::mail_texts_yaml::largest_file)
        .and_then([&](const std::string& content) -> Output {
            const auto texts = adapters::mail_texts_yaml::load(content);
            if (!texts) {
                return base::failure(base::FailureKind::refused, fmt::format("{}: {}", file, texts.error().what));
            }
            if (const auto missing = domain::missing_template(*texts); !missing.empty()) {
                return base::failure(base::FailureKind::refused,
                                     fmt::format("{}: template {} is missing", file, missing));
            }
            if (const auto defects = wording_defects(*texts); !defects.empty()) {
                return tl::unexpected{refused(file, defects)};
            }
            return store_checked(context, &store::add_mail_texts, "mail-texts", texts->version, texts->effective_from,
                                 content);
        });
}

}  // namespace mimamori::admin
