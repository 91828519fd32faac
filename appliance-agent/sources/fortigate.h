// One line of a FortiGate's log: `date=… time=… type="utm" subtype="ips" srcip=… dstip=… attack="…"`, in the default or
// the CSV form, with or without a syslog header.
//
//   subtype       becomes
//   ips, anomaly  IPS by `attack`; WG where the line is about a botnet
//   virus         AV by `virus`; without one (size, file type) skipped. The sender of the file is the server where
//                 `direction` is incoming, else the client
//   webfilter     dangerous category or botnet: WG; off-business: UF; others, if blocked: a URL block, else skipped
//   app-ctrl      APG by `app`
//   dns           WG where a botnet or a dangerous category is named, else skipped
//   all others (traffic, event, …) are skipped and counted by "type/subtype"
// Time: `eventtime` in seconds, milli-, micro- or nanoseconds, else `date`, `time` and `tz`. `srcip` is the initiator.
#pragma once

#include <string>
#include <string_view>

#include "appliance-agent/sources/line_entry.h"

namespace mimamori::agent::sources {

// The entry, or why the line is rejected.
tl::expected<LineEntry, std::string> parse_fortigate(std::string_view line, const LineContext& context);

}  // namespace mimamori::agent::sources
