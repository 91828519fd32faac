// From facts to a mail's texts. Templates come from the mail texts in force; values from domain/mail_text.h,
// domain/loss_text.h and domain/notice_text.h.
#pragma once

#include <string>

#include "base/failure.h"
#include "domain/loss_text.h"
#include "domain/mail_templates.h"
#include "domain/mail_text.h"
#include "domain/notice_text.h"

namespace mimamori::notifier {

struct MailText {
    std::string subject, plain, html;
};

// Refused if a template is malformed or the result would not be a clean mail (a subject of more than one line).
base::Expected<MailText> render_digest(const domain::MailTemplates& templates, const domain::DigestFacts& facts,
                                       domain::Language language);
base::Expected<MailText> render_losses(const domain::MailTemplates& templates, const domain::LossFacts& facts,
                                       domain::Language language);
base::Expected<MailText> render_silence(const domain::MailTemplates& templates, const domain::SilenceFacts& facts,
                                        domain::Language language);
base::Expected<MailText> render_quiet_month(const domain::MailTemplates& templates,
                                            const domain::QuietMonthFacts& facts, domain::Language language);

}  // namespace mimamori::notifier
