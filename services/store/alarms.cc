#include "store/alarms.h"

namespace mimamori::store {

Expected<void> raise_alarm(Connection& connection, std::string_view kind, std::string_view subject,
                           std::string_view detail) {
    return connection.run("raise_alarm", Params{}.text(kind).text(subject).text(detail)).map([](const Result&) {});
}

Expected<void> close_alarm(Connection& connection, std::string_view kind, std::string_view subject) {
    return connection.run("close_alarm", Params{}.text(kind).text(subject)).map([](const Result&) {});
}

}  // namespace mimamori::store
