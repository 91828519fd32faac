// The one home of alarms: one open row of a kind and subject. The same trouble again counts up.
#pragma once

#include <string_view>

#include "store/connection.h"

namespace mimamori::store {

Expected<void> raise_alarm(Connection& connection, std::string_view kind, std::string_view subject,
                           std::string_view detail);
Expected<void> close_alarm(Connection& connection, std::string_view kind, std::string_view subject);

}  // namespace mimamori::store
