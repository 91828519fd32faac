// What a firewall's category of web sites means to the service, by its name: SonicWall's Content Filtering and
// FortiGuard's lists together, as data. Names that are not listed are ordinary.
#pragma once

#include <string_view>

namespace mimamori::agent::sources {

enum class SiteKind {
    ordinary,      // a visit is of no interest; a block is one of the many that are rolled up (advertising too)
    dangerous,     // Web Guard
    off_business,  // the category filter
};

SiteKind site_kind(std::string_view category);

}  // namespace mimamori::agent::sources
