// Reads the bounce mailbox, a Maildir folder that an MTA fills: reports that mails were not delivered.
//
//   at every look, for at most so many files in new/:
//       no token of a mail of ours: quarantine/ (a forged report marks nothing)
//       failed: one transaction: the bounce, the mail is marked, an alarm: somebody must call the customer
//       delayed: the bounce; delivered, read, or an automatic reply: nothing
//       else: an alarm, quarantine/
//       then, after the commit, the file leaves new/; a file that comes twice counts once
//
// Several notifiers may read one folder. Not the parser (adapters/mime/returned_mail.h).
#pragma once

#include <string>
#include <string_view>

#include "domain/bounce.h"
#include "notifier/settings.h"
#include "platform/events.h"
#include "store/bounces.h"

namespace mimamori::notifier {

inline constexpr std::size_t most_bounces_a_round = 100;
inline constexpr std::size_t most_bytes_of_a_bounce = 256 * 1024;  // what lies beyond is not read

class BounceReader {
  public:
    BounceReader(store::Connection& connection, const Settings& settings, platform::Events& events);

    // How many files have left new/. Fails only when PostgreSQL does; a folder that cannot be read or changed is an
    // alarm.
    base::Expected<int> read_round();

  private:
    enum class Place { done, quarantine };
    base::Expected<Place> take(const std::string& name, std::string_view mail);
    base::Expected<void> record(const store::BouncedMail& mail, const std::string& name,
                                const domain::ReturnedMail& returned);
    base::Expected<void> tell_trouble(const std::string& trouble);
    Place put_aside(const std::string& name, std::string_view reason);
    bool move(const std::string& name, Place place, std::string& trouble) const;

    store::Connection& connection_;
    store::BounceStore store_;
    const Settings& settings_;
    platform::Events& events_;
    bool trouble_told_ = false;
    bool alarm_may_be_open_ = true;  // of a run before this one
};

}  // namespace mimamori::notifier
