#include "notifier/render.h"

#include <fmt/format.h>

#include "adapters/mustache/render.h"
#include "base/text.h"

namespace mimamori::notifier {
namespace {

using adapters::mustache::Escape;

base::Expected<std::string> fill(const domain::MailTemplates& templates, std::string_view name,
                                 domain::Language language, const domain::TextValues& values, Escape escape) {
    const auto key = fmt::format("{}_{}", name, language == domain::Language::ja ? "ja" : "en");
    const auto text = templates.texts.find(key);
    if (text == templates.texts.end()) {
        return base::failure(base::FailureKind::refused,
                             fmt::format("mail texts {} have no template {}", templates.version, key));
    }
    return adapters::mustache::render(text->second, values, escape);
}

base::Expected<MailText> mail_text(const domain::MailTemplates& templates, std::string_view kind,
                                   domain::Language language, const domain::TextValues& values) {
    auto subject = fill(templates, fmt::format("{}_subject", kind), language, values, Escape::none);
    if (!subject) {
        return tl::unexpected{subject.error()};
    }
    auto plain = fill(templates, fmt::format("{}_plain", kind), language, values, Escape::none);
    if (!plain) {
        return tl::unexpected{plain.error()};
    }
    auto html = fill(templates, fmt::format("{}_html", kind), language, values, Escape::html);
    if (!html) {
        return tl::unexpected{html.error()};
    }
    return MailText{base::to_single_line(base::trim(*subject)), std::move(*plain), std::move(*html)};
}

}  // namespace

base::Expected<MailText> render_digest(const domain::MailTemplates& templates, const domain::DigestFacts& facts,
                                       domain::Language language) {
    return mail_text(templates, "alert", language, domain::digest_values(facts, language));
}

base::Expected<MailText> render_losses(const domain::MailTemplates& templates, const domain::LossFacts& facts,
                                       domain::Language language) {
    return mail_text(templates, "loss", language, domain::loss_values(facts, language));
}

base::Expected<MailText> render_silence(const domain::MailTemplates& templates, const domain::SilenceFacts& facts,
                                        domain::Language language) {
    return mail_text(templates, "silence", language, domain::silence_values(facts, language));
}

base::Expected<MailText> render_quiet_month(const domain::MailTemplates& templates,
                                            const domain::QuietMonthFacts& facts, domain::Language language) {
    return mail_text(templates, "quiet", language, domain::quiet_month_values(facts, language));
}

}  // namespace mimamori::notifier
