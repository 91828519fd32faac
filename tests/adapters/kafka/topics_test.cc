#include <catch2/catch.hpp>

#include "support.h"

using namespace mimamori;
using namespace mimamori::test;

TEST_CASE("a topic is made once and its partition count is frozen") {
    TestTopics topics{3};
    CHECK(must(topics.admin().describe(topics.batches, 10s)).partitions == 3);
    CHECK_FALSE(must(topics.admin().create({topics.batches, 3, 1, {}}, 10s)));
    const auto other_count = topics.admin().create({topics.batches, 4, 1, {}}, 10s);
    REQUIRE_FALSE(other_count);
    CHECK(other_count.error().kind == base::FailureKind::refused);
    CHECK_THAT(other_count.error().what, Catch::Contains("frozen"));
    CHECK(topics.admin().verify(topics.batches, 3, 10s));
    CHECK_FALSE(topics.admin().verify(topics.batches, 2, 10s));
}

TEST_CASE("a topic that is not there is refused, and asking does not make it") {
    TestTopics topics{1};
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto state = topics.admin().describe(topics.batches + ".other", 10s);
        REQUIRE_FALSE(state);
        CHECK(state.error().kind == base::FailureKind::refused);
    }
}

TEST_CASE("without a broker a topic is a matter of retrying") {
    const auto admin = must(kafka::Topics::make("127.0.0.1:1"));
    const auto state = admin->describe("any", 300ms);
    REQUIRE_FALSE(state);
    CHECK(state.error().kind == base::FailureKind::retry);
}
