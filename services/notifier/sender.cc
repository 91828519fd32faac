#include "notifier/sender.h"

#include <fmt/format.h>

#include "base/random.h"
#include "base/text.h"
#include "domain/bounce.h"
#include "notifier/events.h"
#include "store/bounces.h"

namespace mimamori::notifier {
namespace {

base::Time real_now() {  // retries stay on real time, also where tests steer the service's clock
    return std::chrono::time_point_cast<base::Micros>(std::chrono::system_clock::now());
}

double jitter() {
    return static_cast<double>(base::random_u64() >> 11) * 0x1.0p-53;
}

}  // namespace

Sender::Sender(store::Connection& connection, const Settings& settings, platform::Events& events)
    : store_{connection}, settings_{settings}, events_{events}, relay_{settings.relay} {}

base::Expected<bool> Sender::send_one() {
    auto exhausted = store_.give_up_exhausted();
    if (!exhausted) {
        return tl::unexpected{exhausted.error()};
    }
    for (const auto& mail : *exhausted) {
        if (auto raised = alarm(mail_given_up, store::mail_subject(mail.id, mail.to_customer),
                                "five attempts ended without an answer");
            !raised) {
            return tl::unexpected{raised.error()};
        }
    }
    auto mail = store_.claim_mail(2 * settings_.relay.total_timeout_ms);
    if (!mail) {
        return tl::unexpected{mail.error()};
    }
    if (!*mail) {
        return false;
    }
    auto outcome = relay_.send(domain::tagged_sender(settings_.bounce_address, (*mail)->bounce_token), (*mail)->address,
                               (*mail)->mail);
    outcome.reply = base::to_single_line(base::to_valid_utf8(outcome.reply, 500));
    return note_end(**mail, outcome).map([] { return true; });
}

base::Expected<void> Sender::note_end(const store::ClaimedMail& mail, const domain::SendOutcome& outcome) {
    using End = domain::SendOutcome::End;
    using Next = domain::DeliveryDecision::Next;
    using Alarm = domain::DeliveryDecision::Alarm;
    auto state = mail.state;  // counts this attempt as one that reached DATA; take that back if it did not
    state.data_attempts -= outcome.reached_data ? 0 : 1;
    const auto now = real_now();
    const auto decision = domain::after_attempt(state, outcome, now, jitter());

    const auto* name = decision.next == Next::sent ? "sent" : decision.next == Next::retry ? "pending" : "failed";
    const auto next_ms = decision.next == Next::retry
                             ? std::chrono::duration_cast<std::chrono::milliseconds>(decision.retry_at - now).count()
                             : 0;
    auto ended = store_.end_attempt(mail.id, name, outcome.reached_data, outcome.end == End::in_doubt, next_ms, outcome.reply);
    if (!ended) {
        return ended;
    }
    const auto subject = store::mail_subject(mail.id, mail.to_customer);
    if (decision.next == Next::sent) {
        events_.emit(mail_sent, {{"mail", mail.id.value}, {"attempts", state.attempts}});
        return store_.close_alarm(relay_slow.id, "relay");
    }
    if (outcome.end == End::in_doubt || decision.next == Next::retry) {
        events_.emit(outcome.end == End::in_doubt ? mail_in_doubt : mail_retry,
                     {{"mail", mail.id.value}, {"attempts", state.attempts}, {"reply", outcome.reply}});
    }
    if (decision.next == Next::give_up) {
        return alarm(mail_given_up, subject, fmt::format("to {}: {}", mail.address, outcome.reply));
    }
    return decision.alarm == Alarm::relay_slow ? alarm(relay_slow, "relay", outcome.reply) : base::Expected<void>{};
}

base::Expected<void> Sender::alarm(const platform::Event& event, const std::string& subject, const std::string& detail) {
    events_.emit(event, {{"subject", subject}, {"detail", detail}});
    return store_.raise_alarm(event.id, subject, detail);
}

}  // namespace mimamori::notifier
