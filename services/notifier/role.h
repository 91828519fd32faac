// The notifier: closes hours into digests and hands mails to the relay.
#pragma once

#include "platform/role.h"

namespace mimamori::notifier {

base::Expected<void> check(const platform::Config& config);
base::Expected<void> run(platform::Process& process, const platform::Config& config);

}  // namespace mimamori::notifier
