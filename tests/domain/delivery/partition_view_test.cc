#include <catch2/catch.hpp>

#include "domain/delivery/partition_view.h"

using namespace mimamori::domain::delivery;

namespace {

const Generation ours{1}, other{2};

// As a gateway starts: with the position that PostgreSQL has.
PartitionView started() {
    PartitionView view{ours};
    view.on_database({1, 0});
    return view;
}

}  // namespace

TEST_CASE("a record is passed when the committed offset is above it") {
    auto view = started();
    CHECK(view.next_order() == 1);
    view.on_landed(1, 10);
    CHECK(view.on_progress(ours, {1, 10}));  // the offset to be read next
    CHECK(view.snapshot().passed_order == 0);
    CHECK(view.on_progress(ours, {1, 11}));
    CHECK(view.snapshot().passed_order == 1);
}

TEST_CASE("progress may come before the delivery report") {
    auto view = started();
    view.next_order();
    view.on_progress(ours, {1, 11});
    CHECK(view.snapshot().passed_order == 0);
    CHECK(view.on_landed(1, 10));
    CHECK(view.snapshot().passed_order == 1);
}

TEST_CASE("a record is passed when a later one of ours is: the tail it stood in was lost") {
    auto view = started();
    for (int i = 0; i < 2; ++i) {
        view.next_order();
    }
    view.on_landed(1, 100);
    view.on_landed(2, 90);
    view.on_progress(ours, {1, 91});
    CHECK(view.snapshot().passed_order == 2);
}

TEST_CASE("a later record that is not committed says nothing about an earlier one") {
    auto view = started();
    view.on_landed(1, 10);
    view.on_landed(2, 20);
    view.on_progress(ours, {1, 20});
    CHECK(view.snapshot().passed_order == 1);
}

TEST_CASE("reports out of order end in the same knowledge") {
    auto view = started();
    view.on_landed(3, 12);
    view.on_landed(1, 10);
    view.on_landed(2, 11);
    view.on_progress(ours, {1, 11});
    CHECK(view.snapshot().passed_order == 1);
    view.on_progress(ours, {1, 12});
    CHECK(view.snapshot().passed_order == 2);
    view.on_progress(ours, {1, 13});
    CHECK(view.snapshot().passed_order == 3);
}

TEST_CASE("a new log_no passes all that was produced under the old one, and only that") {
    auto view = started();
    view.on_progress(ours, {1, 500});
    for (int i = 0; i < 3; ++i) {
        view.next_order();
    }
    view.on_landed(1, 600);
    CHECK(view.on_progress(ours, {2, 0}));
    CHECK(view.snapshot().passed_order == 3);
    CHECK(view.next_order() == 4);
    view.on_landed(3, 4);  // its report is late
    view.on_landed(4, 5);
    CHECK(view.snapshot().passed_order == 3);
    view.on_progress(ours, {2, 6});
    CHECK(view.snapshot().passed_order == 4);
}

TEST_CASE("progress that is not news is ignored") {
    auto view = started();
    REQUIRE(view.on_progress(ours, {2, 50}));
    struct Row {
        const char* sentence;
        Generation generation;
        LogPosition committed;
    };
    for (const auto& row : {Row{"doubled", ours, {2, 50}}, Row{"late", ours, {2, 49}},
                            Row{"of an older log", ours, {1, 900}}, Row{"of another database", other, {3, 0}}}) {
        INFO(row.sentence);
        CHECK_FALSE(view.on_progress(row.generation, row.committed));
        CHECK(view.snapshot().committed == LogPosition{2, 50});
    }
}

TEST_CASE("what is remembered is bounded, however far behind the correlator is, and nothing is passed too early") {
    auto view = started();
    constexpr std::uint64_t many = 50'000;
    for (std::uint64_t order = 1; order <= many; ++order) {
        view.next_order();
        view.on_landed(order, static_cast<std::int64_t>(order) - 1);
        REQUIRE(view.awaited() <= PartitionView::max_awaited);
    }
    for (std::uint64_t committed = 0; committed <= many; committed += 997) {
        view.on_progress(ours, {1, static_cast<std::int64_t>(committed)});
        REQUIRE(view.snapshot().passed_order <= committed);
    }
    view.on_progress(ours, {1, static_cast<std::int64_t>(many)});
    CHECK(view.snapshot().passed_order == many);  // the newest is never thinned out
}

TEST_CASE("a tick is due once a second while anything is unsettled") {
    auto view = started();
    CHECK_FALSE(view.tick_due(false, 0));
    CHECK(view.tick_due(true, 5));
    CHECK_FALSE(view.tick_due(true, 1004));
    CHECK(view.tick_due(true, 1005));
    CHECK_FALSE(view.tick_due(false, 5000));
    CHECK(view.tick_due(true, 5001));
}
