// The notifier's operational events; each has a paragraph in deploy/runbook/.
#pragma once

#include "platform/events.h"

namespace mimamori::notifier {

using platform::Event;
using platform::Level;

inline constexpr Event digest_closed{"digest_closed", Level::info, "News of a customer became mails in the outbox."};
inline constexpr Event digest_without_recipient{"digest_without_recipient", Level::alarm,
                                                "A customer has news and nobody to mail it to; the news waits."};
inline constexpr Event digest_failed{"digest_failed", Level::alarm,
                                     "A customer's news could not be made into a mail; it waits."};
inline constexpr Event losses_told{
    "losses_told", Level::alarm,
    "A customer is told by mail that records were lost and that the centre looks for the reason."};
inline constexpr Event mail_sent{"mail_sent", Level::info, "The relay took a mail."};
inline constexpr Event mail_retry{"mail_retry", Level::warning, "The relay did not take a mail yet; it is tried again."};
inline constexpr Event mail_in_doubt{
    "mail_in_doubt", Level::warning,
    "A mail was handed over but the relay's last reply was lost; it is tried again and may arrive twice."};
inline constexpr Event mail_given_up{"mail_given_up", Level::alarm,
                                     "A mail will not be tried again; somebody must tell the customer."};
inline constexpr Event mail_bounced{"mail_bounced", Level::alarm,
                                    "A mail came back for good; somebody must tell the customer."};
inline constexpr Event mail_delayed{"mail_delayed", Level::warning,
                                    "The recipient's server has not taken a mail yet; it is still being tried there."};
inline constexpr Event bounce_put_aside{"bounce_put_aside", Level::warning,
                                        "A mail in the bounce mailbox counts for nothing and went to quarantine."};
inline constexpr Event bounce_unreadable{
    "bounce_unreadable", Level::alarm,
    "An answer to one of our mails is neither a report nor automatic; a person should read it."};
inline constexpr Event bounce_mailbox_unusable{
    "bounce_mailbox_unusable", Level::alarm,
    "The bounce mailbox cannot be read or changed; mails that come back are not noticed."};
inline constexpr Event relay_slow{"relay_slow", Level::alarm, "The relay has not taken a mail for 15 minutes."};
inline constexpr Event notifier_not_leading{
    "notifier_not_leading", Level::info, "Another notifier closes the hours; this one only sends."};
inline constexpr Event notifier_database_away{"notifier_database_away", Level::error, "PostgreSQL is away; the notifier waits for it."};
inline constexpr Event clock_went_backwards{
    "clock_went_backwards", Level::alarm, "The wall clock lies before an hour that was closed; no hour closes until it has caught up."};

}  // namespace mimamori::notifier
