// Mails the operator about alarms that opened since the last such mail: one mail for all of them.
#pragma once

#include "notifier/settings.h"
#include "store/notifier_store.h"

namespace mimamori::notifier {

// Puts at most one mail into the outbox; true if it did. Nothing to do without an operator's address.
base::Expected<bool> mail_open_alarms(store::Connection& connection, const Settings& settings, base::Time now);

}  // namespace mimamori::notifier
