#include "notifier/closer.h"

#include <utility>

#include <fmt/format.h>

#include "adapters/mail_texts_yaml/load.h"
#include "adapters/mime/message.h"
#include "adapters/pack_yaml/pack_yaml.h"
#include "base/random.h"
#include "domain/mail_window.h"
#include "notifier/events.h"

namespace mimamori::notifier {

using base::FailureKind;
using domain::Language;

namespace {

std::string subject_of(const store::OpenNews& news) {
    return fmt::format("customer {}{}", news.customer.value, news.severity ? "" : ", lost records");
}

}  // namespace

Closer::Closer(store::Connection& connection, const Settings& settings, platform::Events& events)
    : connection_{connection}, store_{connection}, settings_{settings}, events_{events} {}

base::Expected<int> Closer::close_due(base::Time now) {
    auto closed_until = store_.closed_until();
    if (!closed_until) {
        return tl::unexpected{closed_until.error()};
    }
    if (!*closed_until) {  // the first start of a service: the running hour is the first one
        *closed_until = domain::window_end_before(now, settings_.window);
        if (auto set = store_.set_closed_until(**closed_until); !set) {
            return tl::unexpected{set.error()};
        }
    }
    auto at_once = close_all(**closed_until, now, now, true);
    if (!at_once) {
        return at_once;
    }
    const auto due = domain::window_due(**closed_until, now, settings_.window);
    const bool backwards = due.why == domain::WindowDue::Why::clock_went_backwards;
    if (backwards && !std::exchange(clock_told_, true)) {
        events_.emit(clock_went_backwards, {{"now", base::format_rfc3339(now)}, {"closed_until", base::format_rfc3339(**closed_until)}});
        if (auto raised = store_.raise_alarm(clock_went_backwards.id, "notifier", base::format_rfc3339(now)); !raised) {
            return tl::unexpected{raised.error()};
        }
    }
    clock_told_ = backwards;
    if (due.why != domain::WindowDue::Why::due) {
        return at_once;
    }
    auto closed = close_all(due.start, due.end, now, false);
    if (!closed) {
        return closed;
    }
    if (auto set = store_.set_closed_until(due.end); !set) {
        return tl::unexpected{set.error()};
    }
    // Once an hour is often enough for the months to come.
    return store_.keep_partitions_ahead(now).map([&] { return *at_once + *closed; });
}

base::Expected<int> Closer::close_all(base::Time start, base::Time end, base::Time now, bool at_once) {
    auto open = store_.open_news(at_once);
    if (!open) {
        return tl::unexpected{open.error()};
    }
    if (!at_once) {
        auto losses = store_.open_losses();
        if (!losses) {
            return tl::unexpected{losses.error()};
        }
        open->insert(open->end(), losses->begin(), losses->end());
    }
    int closed = 0;
    for (const auto& news : *open) {
        auto done = close_one(news, start, end, now, at_once);
        if (!done) {
            return tl::unexpected{done.error()};
        }
        closed += *done ? 1 : 0;
    }
    return closed;
}

base::Expected<bool> Closer::close_one(const store::OpenNews& news, base::Time start, base::Time end, base::Time now, bool at_once) {
    if (auto begun = connection_.begin(); !begun) {
        return tl::unexpected{begun.error()};
    }
    auto taken = store_.close_digest(news, start, end, now, at_once);
    if (taken && taken->items == 0) {  // another session took them
        connection_.rollback();
        return false;
    }
    auto filled = taken ? fill_outbox(news, taken->digest, start, end, now)
                        : base::Expected<void>{tl::unexpected{taken.error()}};
    if (filled) {
        filled = connection_.commit();
    }
    const auto subject = subject_of(news);
    if (filled) {
        events_.emit(digest_closed, {{"digest", taken->digest.value},
                                     {"customer", news.customer.value},
                                     {"about", news.severity ? domain::name_of(*news.severity) : "losses"},
                                     {"items", taken->items}});
        if (!news.severity) {
            events_.emit(losses_told, {{"customer", news.customer.value}, {"losses", taken->items}});
        }
        (void)store_.close_alarm(digest_failed.id, subject);
        (void)store_.close_alarm(digest_without_recipient.id, subject);
        return true;
    }
    connection_.rollback();
    if (filled.error().kind != FailureKind::refused) {
        return tl::unexpected{filled.error()};
    }
    // What cannot be made into a mail stays open: better late than wrong, and never silent.
    const auto& event = filled.error().what == "no recipient" ? digest_without_recipient : digest_failed;
    events_.emit(event, {{"customer", news.customer.value}, {"detail", filled.error().what}});
    auto raised = store_.raise_alarm(event.id, subject, filled.error().what);
    return raised.map([] { return false; });
}

base::Expected<void> Closer::fill_outbox(const store::OpenNews& news, base::DigestId digest, base::Time start, base::Time end,
                                         base::Time now) {
    auto customer = store_.customer(news.customer);
    auto recipients = store_.recipients(news.customer, now);
    if (!customer || !recipients) {
        return tl::unexpected{customer ? recipients.error() : customer.error()};
    }
    if (recipients->empty()) {
        return base::failure(FailureKind::refused, "no recipient");
    }
    auto desk = store_.desk_in_force(customer->operator_id, now);
    if (!desk || !*desk) {
        return desk ? base::failure(FailureKind::refused, "no consultation desk is in force: add one with `mimamori admin apply`")
                    : tl::unexpected{desk.error()};
    }
    const domain::MailFrame frame{.customer_name = customer->name,
                                  .contact_name = customer->contact_name,
                                  .window_start = start,
                                  .window_end = end,
                                  .desk = (*desk)->ja};
    auto told = news.severity ? findings(digest, *news.severity, frame, now) : losses(news.customer, digest, frame);
    auto texts = templates(now);
    if (!told || !texts) {
        return tl::unexpected{told ? texts.error() : told.error()};
    }
    for (const auto& recipient : *recipients) {
        const auto language = recipient.language.value_or(customer->language);
        const auto& words = language == Language::ja ? (*desk)->ja : (*desk)->en;
        auto text = text_of(**texts, *told, words, language);
        if (!text) {
            return tl::unexpected{text.error()};
        }
        const auto message_id = fmt::format("{}@{}", base::uuid_text(base::random_uuid()), settings_.message_id_domain);
        auto mail = adapters::mime::render({.from_name = words.service_name,
                                            .from_address = settings_.from_address,
                                            .to_name = recipient.name,
                                            .to_address = recipient.address,
                                            .reply_to = words.mail,
                                            .subject = text->subject,
                                            .message_id = message_id,
                                            .date = now,
                                            .plain = text->plain,
                                            .html = text->html,
                                            .headers = {{"Auto-Submitted", "auto-generated"}}});
        if (!mail) {
            return tl::unexpected{mail.error()};
        }
        if (auto put = store_.insert_outbox(news.customer, digest, recipient.address, message_id, *mail); !put) {
            return put;
        }
    }
    return {};
}

base::Expected<MailText> Closer::text_of(const domain::MailTemplates& texts, News& news, const domain::DeskFacts& desk,
                                         Language language) {
    if (auto* losses = std::get_if<domain::LossFacts>(&news)) {
        losses->frame.desk = desk;
        return render_losses(texts, *losses, language);
    }
    auto& findings = std::get<domain::DigestFacts>(news);
    findings.frame.desk = desk;
    return set_texts(findings, language).and_then([&] { return render_digest(texts, findings, language); });
}

// The customer reads that the centre looks for the reason: so the operator is told, in the same transaction.
base::Expected<Closer::News> Closer::losses(base::CustomerId customer, base::DigestId digest,
                                            const domain::MailFrame& frame) {
    auto items = store_.digest_losses(digest);
    if (!items) {
        return tl::unexpected{items.error()};
    }
    std::string detail;
    for (const auto& item : *items) {
        detail += fmt::format("{}UTM {}: {}{} {}, {} urgent", detail.empty() ? "" : "; ", item.utm_id,
                              item.at_least ? "at least " : "", item.entries,
                              item.blocks ? "counts of blocks" : "detections", item.urgent);
    }
    return store_.raise_alarm(losses_told.id, fmt::format("customer {}", customer.value), detail).map([&] {
        return News{domain::LossFacts{frame, std::move(*items)}};
    });
}

base::Expected<Closer::News> Closer::findings(base::DigestId digest, domain::Severity severity,
                                              const domain::MailFrame& frame, base::Time now) {
    auto items = store_.digest_items(digest);
    auto terms = store_.terms_in_force(now);
    if (!items || !terms) {
        return tl::unexpected{items ? terms.error() : items.error()};
    }
    if (!*terms) {
        return base::failure(FailureKind::refused, "no insurance terms are in force at this time");
    }
    domain::DigestFacts facts{.frame = frame, .severity = severity, .insurance = **terms, .items = {}};
    pack_of_finding_.clear();
    for (auto& item : *items) {
        pack_of_finding_[item.facts.alert_id] = item.pack_id;
        facts.items.push_back(std::move(item.facts));
    }
    return News{std::move(facts)};
}

base::Expected<void> Closer::set_texts(domain::DigestFacts& facts, Language language) {
    for (auto& item : facts.items) {
        auto rules = pack(pack_of_finding_.at(item.alert_id));
        if (!rules) {
            return tl::unexpected{rules.error()};
        }
        const auto* signature_class = (*rules)->class_named(item.class_id);
        if (signature_class == nullptr) {
            return base::failure(FailureKind::refused, fmt::format("rule pack {} has no class {}", (*rules)->version, item.class_id));
        }
        item.action_needed = signature_class->action_needed;
        item.text = language == Language::ja ? signature_class->ja : signature_class->en;
    }
    return {};
}

base::Expected<const domain::RulePack*> Closer::pack(std::int64_t id) {
    if (const auto known = packs_.find(id); known != packs_.end()) {
        return known->second.get();
    }
    auto stored = store_.rule_pack(id);
    if (!stored) {
        return tl::unexpected{stored.error()};
    }
    if (!*stored) {
        return base::failure(FailureKind::refused, fmt::format("there is no rule pack {}", id));
    }
    auto read = adapters::pack_yaml::read_rule_pack((*stored)->content);
    if (!read) {
        return base::failure(FailureKind::refused, fmt::format("rule pack {}: {}", (*stored)->version, domain::to_text(read.error().front())));
    }
    return packs_.emplace(id, std::make_unique<domain::RulePack>(std::move(*read))).first->second.get();
}

base::Expected<const domain::MailTemplates*> Closer::templates(base::Time at) {
    auto stored = store_.mail_texts_in_force(at);
    if (!stored) {
        return tl::unexpected{stored.error()};
    }
    if (!*stored) {
        return base::failure(FailureKind::refused, "no mail texts are in force: load some with `mimamori admin mail-texts load`");
    }
    if ((*stored)->version != templates_.version) {
        auto loaded = adapters::mail_texts_yaml::load((*stored)->content);
        if (!loaded) {
            return tl::unexpected{loaded.error()};
        }
        templates_ = std::move(*loaded);
    }
    return &templates_;
}

}  // namespace mimamori::notifier
