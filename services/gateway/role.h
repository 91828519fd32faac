// The gateway role: takes what agents send over mutual TLS and puts it into Kafka, and tells them what is stored.
// Not rules and not storage: a batch's content passes through unread.
#pragma once

#include "platform/role.h"

namespace mimamori::gateway {

base::Expected<void> check(const platform::Config& config);
base::Expected<void> run(platform::Process& process, const platform::Config& config);

}  // namespace mimamori::gateway
