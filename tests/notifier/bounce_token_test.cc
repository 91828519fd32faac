// The tag in the envelope sender: what counts as one of ours.
#include <catch2/catch.hpp>

#include "domain/bounce.h"

using namespace mimamori;

TEST_CASE("each mail's envelope sender holds its own token, and only such an address gives it back") {
    const std::string ours = "bounce@example.com";
    const std::string token = "0123456789abcdef0123456789abcdef";
    CHECK(domain::tagged_sender(ours, token) == "bounce+" + token + "@example.com");
    struct Row {
        std::string value;
        bool ours;
    };
    const std::vector<Row> rows{
        {"bounce+" + token + "@example.com", true},
        {"<bounce+" + token + "@example.com>", true},
        {"Somebody <a@example.jp>, <BOUNCE+0123456789ABCDEF0123456789ABCDEF@EXAMPLE.COM>", true},
        {"bounce+x@example.com, bounce+" + token + "@example.com", true},
        {"bounce@example.com", false},
        {"bounce+@example.com", false},
        {"bounce+" + token, false},
        {"bounce+" + token.substr(1) + "@example.com", false},
        {"bounce+0" + token + "@example.com", false},
        {"bounce+" + token.substr(1) + "g@example.com", false},
        {"bounce+" + token + "@example.com.evil.example", false},
        {"bounce+" + token + "@example.org", false},
        {"notbounce+" + token + "@example.com", false},
        {"", false},
    };
    for (const auto& row : rows) {
        INFO(row.value);
        CHECK(domain::bounce_token_in(row.value, ours) == (row.ours ? std::optional{token} : std::nullopt));
    }
}
