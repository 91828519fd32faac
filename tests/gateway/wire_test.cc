#include <catch2/catch.hpp>

#include "gateway/wire.h"

using namespace mimamori;
using namespace mimamori::gateway;

namespace {

pb::Progress good_progress() {
    pb::Progress out;
    out.set_generation(std::string(16, 'g'));
    out.set_partition(3);
    out.set_log_no(2);
    out.set_next_offset(77);
    auto& stream = *out.add_streams();
    stream.set_rental_id(5);
    stream.mutable_cursor()->set_lane(pb::LANE_ROLLUP);
    stream.mutable_cursor()->set_spool_id(std::string(16, 's'));
    stream.mutable_cursor()->set_next_seq(9);
    stream.mutable_cursor()->set_h(std::string(16, 'h'));
    stream.mutable_cursor()->set_status(pb::STREAM_STATUS_CLOSED);
    return out;
}

}  // namespace

TEST_CASE("a progress record is read whole or not at all") {
    const auto parsed = progress_of(good_progress().SerializeAsString());
    REQUIRE(std::holds_alternative<ProgressRecord>(parsed));
    const auto& record = std::get<ProgressRecord>(parsed);
    CHECK(record.partition == 3);
    CHECK(record.position == delivery::LogPosition{2, 77});
    REQUIRE(record.streams.size() == 1);
    CHECK(record.streams[0].rental_id == 5);
    CHECK(record.streams[0].lane == delivery::Lane::rollup);
    CHECK(record.streams[0].cursor.next_seq == 9);
    CHECK(record.streams[0].cursor.status == delivery::StreamStatus::closed);

    auto short_generation = good_progress();
    short_generation.set_generation("g");
    CHECK(std::holds_alternative<Malformed>(progress_of(short_generation.SerializeAsString())));
    auto short_hash = good_progress();
    short_hash.mutable_streams(0)->mutable_cursor()->set_h("h");
    CHECK(std::holds_alternative<Malformed>(progress_of(short_hash.SerializeAsString())));
    CHECK(std::holds_alternative<Malformed>(progress_of("\xff\xff not a message")));
}

TEST_CASE("Hello with names of no size or lanes of no number is malformed") {
    pb::Hello hello;
    auto& lane = *hello.add_lanes();
    lane.set_lane(pb::LANE_NORMAL);
    lane.set_spool_id(std::string(16, 's'));
    lane.set_first(1);
    CHECK(std::holds_alternative<std::vector<delivery::HelloLane>>(lanes_of(hello)));
    SECTION("a short spool id") {
        lane.set_spool_id("s");
    }
    SECTION("no such lane") {
        lane.set_lane(static_cast<pb::Lane>(-1));
    }
    SECTION("four lanes") {
        for (int i = 0; i < 3; ++i) {
            *hello.add_lanes() = lane;
        }
    }
    SECTION("a version without end") {
        hello.set_agent_version(std::string(101, '1'));
    }
    SECTION("an end beyond all numbers") {
        lane.set_last(UINT64_MAX);
    }
    CHECK(std::holds_alternative<Malformed>(lanes_of(hello)));
}
