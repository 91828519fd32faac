// What every admin command is given, and the two things most of them do: connect, and act in one audited transaction.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/failure.h"
#include "platform/clock.h"
#include "platform/config.h"
#include "store/connection.h"

namespace mimamori::admin {

struct Context {
    platform::Config config;
    platform::Clock clock;
    std::string actor;  // for the audit log: "os:<user>"
    bool json = false;
};

base::Expected<Context> make_context(platform::Config config, bool json);

// As the database role of the settings, "mimamori_admin" unless they say otherwise.
// `patient`: for statements that read all there is and may take their time; an operator who has had enough
// interrupts us, and PostgreSQL notices.
base::Expected<store::Connection> connect(const Context& context, bool patient = false);

struct Audit {
    std::string action;  // "certificate.issue"
    std::string object;  // a reference, no personal data: "rental 12"
    std::string detail = "{}";  // JSON
};

// Connects, and commits what `work` did together with the row of the audit log that it returns.
base::Expected<void> audited(const Context& context,
                             const std::function<base::Expected<Audit>(store::Connection&)>& work);

// The last step of a command's text: what a person reads.
using Output = base::Expected<std::string>;

}  // namespace mimamori::admin
