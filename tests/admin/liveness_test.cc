// When agents that were not heard of may be called silent.
#include <catch2/catch.hpp>

#include "domain/liveness.h"

using namespace mimamori;
using namespace std::chrono_literals;
using domain::Liveness;
using Verdict = Liveness::Verdict;

namespace {

// An agent is silent after 15 minutes, so that 5 without any news are a gap.
struct Watched {
    Liveness liveness{15min};
    Liveness::Steady at{};

    Watched() { liveness.reading(at); }
    // News every half minute for so long.
    Verdict news_for(std::chrono::seconds time, std::chrono::microseconds age = 1s) {
        for (auto end = at + time; at < end; at += 30s) {
            liveness.heard(at, age);
        }
        return liveness.look(at);
    }
    Verdict nothing_for(std::chrono::seconds time) { return liveness.look(at += time); }
};

}  // namespace

TEST_CASE("after a start nobody is judged until news came on time for as long as an agent may be silent") {
    Watched w;
    CHECK(w.nothing_for(1s) == Verdict::suspended);
    CHECK(w.news_for(14min) == Verdict::suspended);
    CHECK(w.news_for(1min) == Verdict::judging);
    CHECK(w.nothing_for(4min) == Verdict::judging);
}

TEST_CASE("old news that is caught up with lets nobody be judged") {
    Watched w;
    CHECK(w.news_for(14min, 6min) == Verdict::suspended);
    CHECK(w.news_for(14min) == Verdict::suspended);
    CHECK(w.news_for(1min) == Verdict::judging);
    CHECK(w.news_for(6min, 6min) == Verdict::suspended);
}

TEST_CASE("a gap on the way from the gateways begins the time anew") {
    Watched w;
    REQUIRE(w.news_for(20min) == Verdict::judging);
    CHECK(w.nothing_for(5min) == Verdict::suspended);
    CHECK(w.news_for(14min) == Verdict::suspended);
    CHECK(w.news_for(1min) == Verdict::judging);
}

TEST_CASE("nobody at all is heard of: said once that has lasted, counted from when reading went on") {
    Watched w;
    CHECK(w.nothing_for(14min) == Verdict::suspended);
    CHECK(w.nothing_for(1min) == Verdict::deaf);
    REQUIRE(w.news_for(20min) == Verdict::judging);
    CHECK(w.nothing_for(14min) == Verdict::suspended);
    w.liveness.reading(w.at);  // Kafka was away for a while
    CHECK(w.nothing_for(14min) == Verdict::suspended);
    CHECK(w.nothing_for(1min) == Verdict::deaf);
    CHECK(w.news_for(30s) == Verdict::suspended);
}
