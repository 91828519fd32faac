#include <catch2/catch.hpp>

#include <array>
#include <algorithm>

#include "support.h"

using namespace mimamori;
using namespace mimamori::test;
using kafka::Position;
using kafka::ProblemKind;

namespace {

std::vector<kafka::Problem> wait_for_problem(kafka::Consumer& consumer) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < deadline) {
        if (auto polled = consumer.poll(10, 200ms); !polled.problems.empty()) {
            return polled.problems;
        }
    }
    return {};
}

}  // namespace

TEST_CASE("reading starts at the offset that was asked for and keeps the order") {
    TestTopics topics{2};
    write(topics.batches, 0, numbers(0, 499));
    const auto consumer = make_consumer();
    must(consumer->assign(std::array{Position{topics.batches, 0, 100}}));
    CHECK(read(*consumer, 400) == numbers(100, 499));
}

TEST_CASE("another assignment drops what was fetched for the one before") {
    TestTopics topics{1};
    write(topics.batches, 0, numbers(0, 499));
    const auto consumer = make_consumer();
    must(consumer->assign(std::array{Position{topics.batches, 0, 0}}));
    CHECK(read(*consumer, 10) == numbers(0, 9));
    must(consumer->assign(std::array{Position{topics.batches, 0, 300}}));
    CHECK(read(*consumer, 200) == numbers(300, 499));
    must(consumer->assign({}));
    CHECK(consumer->poll(10, 300ms).records.empty());
}

TEST_CASE("a poll never returns more than was asked for") {
    TestTopics topics{1};
    write(topics.batches, 0, numbers(0, 99));
    const auto consumer = make_consumer();
    must(consumer->assign(std::array{Position{topics.batches, 0, 0}}));
    CHECK(read(*consumer, 1) == numbers(0, 0));  // everything is fetched by now
    CHECK(consumer->poll(7, 5s).records.size() <= 7);
}

TEST_CASE("a pause in the middle neither loses nor doubles a record") {
    TestTopics topics{1};
    write(topics.batches, 0, numbers(0, 4999));
    const auto consumer = make_consumer();
    must(consumer->assign(std::array{Position{topics.batches, 0, 0}}));
    auto values = read(*consumer, 1234);
    must(consumer->pause(topics.batches, 0));
    const auto while_paused = consumer->poll(1000, 500ms);
    CHECK(while_paused.records.empty());
    must(consumer->resume(topics.batches, 0));
    const auto rest = read(*consumer, 5000 - 1234);
    values.insert(values.end(), rest.begin(), rest.end());
    CHECK(values == numbers(0, 4999));
}

TEST_CASE("an offset that Kafka does not hold is an error, not a jump") {
    TestTopics topics{1};
    write(topics.batches, 0, numbers(0, 9));
    const auto consumer = make_consumer();
    must(consumer->assign(std::array{Position{topics.batches, 0, 5000}}));
    const auto problems = wait_for_problem(*consumer);
    REQUIRE_FALSE(problems.empty());
    CHECK(problems[0].kind == ProblemKind::out_of_range);
    CHECK(problems[0].partition == 0);
    // and the consumer is still good for another offset
    must(consumer->assign(std::array{Position{topics.batches, 0, 8}}));
    CHECK(read(*consumer, 2) == numbers(8, 9));
}

TEST_CASE("without a broker the consumer says so") {
    kafka::ConsumerSettings settings;
    settings.bootstrap = "127.0.0.1:1";
    const auto consumer = must(kafka::Consumer::make(settings));
    must(consumer->assign(std::array{Position{"any", 0, 0}}));
    const auto problems = wait_for_problem(*consumer);
    CHECK(std::any_of(problems.begin(), problems.end(),
                      [](const auto& problem) { return problem.kind == ProblemKind::broker_away; }));
    const auto marks = consumer->query_watermarks("any", 0, 500ms);
    REQUIRE_FALSE(marks);
    CHECK(marks.error().kind == base::FailureKind::retry);
}

TEST_CASE("one record is read at its offset, and its absence is an answer") {
    TestTopics topics{1};
    write(topics.batches, 0, numbers(0, 9));
    const auto consumer = make_consumer();
    const auto marks = must(consumer->query_watermarks(topics.batches, 0, 10s));
    CHECK(marks.low == 0);
    CHECK(marks.high == 10);
    const auto last = must(consumer->read_record(topics.batches, 0, 9, 10s));
    REQUIRE(last);
    CHECK(last->value() == "9");
    CHECK(last->offset() == 9);
    CHECK_FALSE(must(consumer->read_record(topics.batches, 0, 10, 10s)));
    CHECK_FALSE(must(consumer->read_record(topics.batches, 0, 5000, 10s)));
    CHECK_FALSE(must(consumer->read_record(topics.batches, 0, -1, 10s)));
}

TEST_CASE("from the end only what comes later is read") {
    TestTopics topics{1};
    write(topics.batches, 0, numbers(0, 9));
    const auto consumer = make_consumer();
    const auto high = must(consumer->query_watermarks(topics.batches, 0, 10s)).high;
    must(consumer->assign(std::array{Position{topics.batches, 0, high}}));
    write(topics.batches, 0, numbers(10, 12));
    CHECK(read(*consumer, 3) == numbers(10, 12));
}
