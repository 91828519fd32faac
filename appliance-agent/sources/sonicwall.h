// One line of SonicWall's enhanced syslog: `id=firewall sn=… time="…" m=82 msg="…" src=ip:port:interface dst=…`, with
// or without a syslog header. sonicwall_events.h says which lines are detections; here are the fields.
//
//   threat name   the text after "Alert:" in the message, or the message; id: `sid`, else "m=82"
//   virus name    the same without "(Trojan) blocked.", whose word is the category
//   site          `dstname` and `arg`; dangerous category: WG; off-business: UF; others, if blocked: a URL block;
//                 a visit to any other site is skipped
//   source        as written: for a virus the sender of the file, else the packet's source
#pragma once

#include <string>
#include <string_view>

#include "appliance-agent/sources/line_entry.h"

namespace mimamori::agent::sources {

// The entry, or why the line is rejected.
tl::expected<LineEntry, std::string> parse_sonicwall(std::string_view line, const LineContext& context);

}  // namespace mimamori::agent::sources
