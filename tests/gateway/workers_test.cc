#include <catch2/catch.hpp>

#include <atomic>

#include "gateway/workers.h"

using namespace mimamori;
using gateway::Workers;

namespace {

store::Login nobody() {
    store::Login login;
    login.port = 1;  // nothing listens there
    return login;
}

}  // namespace

TEST_CASE("the queue of database work is bounded, and without PostgreSQL each task is told so") {
    std::atomic<int> failed{0};
    const auto task = [&](base::Expected<store::Connection*> connection) {
        if (!connection && connection.error().kind == base::FailureKind::retry) {
            ++failed;
        }
    };
    Workers workers{nobody(), 2, 3};
    CHECK(workers.submit(task));
    CHECK(workers.submit(task));
    CHECK(workers.submit(task));
    CHECK_FALSE(workers.submit(task));  // not started yet: the queue is full
    workers.start();
    workers.stop();  // ends after what is queued
    CHECK(failed == 3);
    CHECK_FALSE(workers.submit(task));
}
