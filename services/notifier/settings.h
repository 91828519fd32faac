// The notifier's section of the configuration.
#pragma once

#include <chrono>
#include <string>

#include "adapters/smtp/relay.h"
#include "base/failure.h"
#include "platform/config.h"
#include "store/connection.h"

namespace mimamori::notifier {

struct Settings {
    store::Login login;
    base::Micros window{};             // how long an hour of mails is: one hour, shorter only in demonstrations
    std::chrono::milliseconds poll{};  // how often the clock is looked at
    std::string from_address;          // of customer mails
    std::string bounce_address;        // envelope senders are made from it: where undeliverable mails come back to
    std::string bounce_maildir;        // the folder that those mails are delivered to; empty: nobody reads them
    std::string operator_address;      // who gets mails about alarms; empty: nobody
    std::string message_id_domain;
    int senders = 4;                     // mails in flight at once
    adapters::smtp::RelayOptions relay;
};

base::Expected<Settings> read_settings(const platform::Config& config);

}  // namespace mimamori::notifier
