#include <catch2/catch.hpp>

#include <set>

#include "base/random.h"

using namespace mimamori::base;

TEST_CASE("random ids differ and a UUID says that it is a random one") {
    std::set<Bytes16> seen;
    for (int i = 0; i < 1000; ++i) {
        seen.insert(random_uuid());
    }
    CHECK(seen.size() == 1000);
    const auto text = uuid_text(random_uuid());
    CHECK(text.size() == 36);
    CHECK(text[14] == '4');
    CHECK(std::string{"89ab"}.find(text[19]) != std::string::npos);
}
