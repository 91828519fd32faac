// Small files read and written whole: settings' secrets, certificates, operators' input. Secrets come from files alone,
// never from settings, flags or the environment.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/failure.h"

namespace mimamori::platform {

// The file's first line without its line end. Refused if the file is missing, empty, over 64 KiB, or open to everybody.
base::Expected<std::string> read_secret(const std::string& file);

// The whole file; refused if it is missing or larger than `max_bytes`.
base::Expected<std::string> read_file(const std::string& file, std::size_t max_bytes);

// Makes the file with these rights (0600 for secrets) and syncs it. Refused if it is there already: nothing is overwritten.
base::Expected<void> write_new_file(const std::string& file, std::string_view contents, unsigned mode);

}  // namespace mimamori::platform
