#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <atomic>

#include "support.h"

using namespace mimamori;
using namespace mimamori::test;

TEST_CASE("every accepted record is reported once, with the offset where it stands") {
    TestTopics topics{2};
    const auto deliveries = write(topics.batches, 1, numbers(0, 999));
    REQUIRE(deliveries.size() == 1000);
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
        CHECK(deliveries[i].tag == i);
        CHECK(deliveries[i].partition == 1);
        CHECK(deliveries[i].offset == static_cast<std::int64_t>(i));
        CHECK_FALSE(deliveries[i].failure);
    }
}

TEST_CASE("a full queue is said, not dropped, and what was accepted is still reported") {
    Deliveries deliveries;
    auto settings = producer_settings();
    settings.bootstrap = "127.0.0.1:1";  // nobody there: nothing leaves the queue
    settings.queue_records = 10;
    auto producer = must(kafka::Producer::make(settings, deliveries.callback()));
    for (std::uint64_t tag = 0; tag < 10; ++tag) {
        REQUIRE(producer->send("any", 0, "k", "v", tag));
    }
    const auto eleventh = producer->send("any", 0, "k", "v", 10);
    REQUIRE_FALSE(eleventh);
    CHECK(eleventh.error().kind == base::FailureKind::retry);
    CHECK(producer->in_flight() == 10);
    CHECK_FALSE(producer->flush(100ms));
    producer.reset();
    const auto all = deliveries.all();
    REQUIRE(all.size() == 10);
    for (const auto& delivery : all) {
        REQUIRE(delivery.failure);
        CHECK(delivery.offset == -1);
        CHECK(delivery.failure->kind == base::FailureKind::retry);  // never sent, so certainly not written
    }
}

TEST_CASE("a record over the limit is refused at once") {
    Deliveries deliveries;
    auto settings = producer_settings();
    settings.max_record_bytes = 10'000;
    auto producer = must(kafka::Producer::make(settings, deliveries.callback()));
    const auto sent = producer->send("any", 0, "k", std::string(20'000, 'x'), 1);
    REQUIRE_FALSE(sent);
    CHECK(sent.error().kind == base::FailureKind::refused);
    CHECK(producer->in_flight() == 0);
}

TEST_CASE("a delivery that takes longer than the limit has failed") {
    Deliveries deliveries;
    auto settings = producer_settings();
    settings.bootstrap = "127.0.0.1:1";
    settings.delivery_timeout = 500ms;
    auto producer = must(kafka::Producer::make(settings, deliveries.callback()));
    REQUIRE(producer->send("any", 0, "k", "v", 7));
    REQUIRE(producer->flush(20s));
    REQUIRE(deliveries.all().size() == 1);
    CHECK(deliveries.all()[0].tag == 7);
    CHECK(deliveries.all()[0].failure);
}

TEST_CASE("after a fatal error every record has been reported, and a fresh producer takes over") {
    TestTopics topics{1};
    Deliveries deliveries;
    std::atomic<int> replaced{0};
    auto producer = must(kafka::Producer::make(producer_settings(), deliveries.callback(), [&](const std::string& why) {
        CHECK_FALSE(why.empty());
        ++replaced;
    }));
    std::uint64_t accepted = 0;
    const auto send = [&] {
        if (producer->send(topics.batches, 0, "k", "v", accepted)) {
            ++accepted;
        }
    };
    for (int i = 0; i < 1000; ++i) {
        send();
    }
    producer->inject_fatal_error();
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (replaced == 0 && std::chrono::steady_clock::now() < deadline) {
        send();  // refused while it is being replaced, never lost
        std::this_thread::sleep_for(1ms);
    }
    REQUIRE(replaced == 1);
    const auto before = accepted;
    send();
    REQUIRE(accepted == before + 1);
    REQUIRE(producer->flush(30s));
    const auto all = deliveries.all();
    REQUIRE(all.size() == accepted);
    CHECK_FALSE(all.back().failure);  // the fresh producer works
    std::vector<std::uint64_t> tags;
    for (const auto& delivery : all) {
        tags.push_back(delivery.tag);
    }
    std::sort(tags.begin(), tags.end());
    CHECK(std::adjacent_find(tags.begin(), tags.end()) == tags.end());
    // What was reported as written stands there; what failed for certain does not.
    const auto written = static_cast<std::int64_t>(
        std::count_if(all.begin(), all.end(), [](const auto& delivery) { return !delivery.failure; }));
    const auto in_doubt = static_cast<std::int64_t>(std::count_if(all.begin(), all.end(), [](const auto& delivery) {
        return delivery.failure && delivery.failure->kind == base::FailureKind::unknown;
    }));
    const auto high = must(make_consumer()->query_watermarks(topics.batches, 0, 10s)).high;
    CHECK(high >= written);
    CHECK(high <= written + in_doubt);
}

TEST_CASE("settings that librdkafka does not know are refused with their name") {
    auto settings = producer_settings();
    settings.compression = "middle-out";
    const auto producer = kafka::Producer::make(settings, [](const kafka::Delivery&) {});
    REQUIRE_FALSE(producer);
    CHECK(producer.error().kind == base::FailureKind::refused);
    CHECK_THAT(producer.error().what, Catch::Contains("compression.codec"));
}

TEST_CASE("headers stand beside the value, any bytes in them, and a record may have none") {
    TestTopics topics{1};
    Deliveries deliveries;
    auto producer = must(kafka::Producer::make(producer_settings(), deliveries.callback()));
    const std::string odd{"a\0\xff", 3};
    must(producer->send(topics.batches, 0, "k", "v", 1, std::array{kafka::Header{"ce_id", "17"}, kafka::Header{"odd", odd}}));
    must(producer->send(topics.batches, 0, "k", "v", 2));
    REQUIRE(producer->flush(30s));
    const auto consumer = make_consumer();
    const auto with = must(consumer->read_record(topics.batches, 0, 0, 10s));
    REQUIRE(with);
    CHECK(with->header("ce_id") == "17");
    CHECK(with->header("odd") == odd);
    CHECK_FALSE(with->header("other"));
    const auto without = must(consumer->read_record(topics.batches, 0, 1, 10s));
    REQUIRE(without);
    CHECK_FALSE(without->header("ce_id"));
}
