// `mimamori admin ...`: the operator's command line. Prints results to stdout, errors to stderr.
#pragma once

namespace mimamori::admin {

// `argv[0]` is "admin". Returns the exit code: 0 done, 1 failed, 2 wrong usage or settings.
int command_line(int argc, const char* const* argv);

}  // namespace mimamori::admin
