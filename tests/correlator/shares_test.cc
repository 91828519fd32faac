// Pure decisions of the correlator: who takes which partition, when something happened, ids that follow from names.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include "base/sha1.h"
#include "base/text.h"
#include "base/uuid5.h"
#include "domain/detection_id.h"
#include "domain/event_time.h"
#include "domain/partition_share.h"

using namespace mimamori;
using domain::HeldPartition;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

std::vector<HeldPartition> table(const std::vector<std::string>& holders) {
    std::vector<HeldPartition> out;
    for (const auto& holder : holders) {
        out.push_back({static_cast<std::int32_t>(out.size()), holder});
    }
    return out;
}

}  // namespace

TEST_CASE("one correlator takes everything; a second one gets its half one by one") {
    using Steps = std::vector<std::int32_t>;
    struct Row {
        const char* sentence;
        std::vector<std::string> holders;
        std::size_t live;
        Steps take, release;
    };
    const std::vector<Row> rows{
        {"alone, all is mine", {"", "", ""}, 1, {0, 1, 2}, {}},
        {"alone with all, nothing to do", {"a", "a", "a"}, 1, {}, {}},
        {"a second one lives and has nothing: I hand one over", {"a", "a", "a", "a"}, 2, {}, {3}},
        {"not another one before that one is taken", {"a", "a", "a", ""}, 2, {}, {}},
        {"two each is fair", {"a", "a", "b", "b"}, 2, {}, {}},
        {"three and two of five is fair", {"a", "a", "a", "b", "b"}, 2, {}, {}},
        {"a third one lives: the fullest gives", {"a", "a", "a", "b", "b", "b"}, 3, {}, {2}},
        {"of two equally full ones the first by name gives, not I", {"0", "0", "a", "a"}, 3, {}, {}},
        {"more correlators than partitions: those who hold keep", {"a", "b"}, 5, {}, {}},
        {"what a dead one held is shared: my part first", {"", "", "", "b"}, 2, {0, 1}, {}},
        {"free ones beyond my share are left to who has less", {"a", "a", "", ""}, 2, {}, {}},
        {"an odd one is taken by somebody when nobody has less than the share", {"a", "a", "b", "b", ""}, 2, {4}, {}},
        {"nothing to share", {}, 1, {}, {}},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto step = domain::next_share_step(table(row.holders), "a", row.live);
        CHECK(step.take == row.take);
        CHECK(step.release == row.release);
    }
}

TEST_CASE("whatever the order in which correlators look, every partition is soon held and nobody holds too many") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random{seed};
    for (int round = 0; round < 200; ++round) {
        const auto count = std::uniform_int_distribution<std::size_t>{1, 12}(random);
        auto partitions = table(std::vector<std::string>(count));
        std::vector<std::string> live;
        const auto settle = [&] {
            for (int step = 0; step < 200; ++step) {
                const auto& me = live[std::uniform_int_distribution<std::size_t>{0, live.size() - 1}(random)];
                const auto next = domain::next_share_step(partitions, me, live.size());
                for (const auto partition : next.take) {
                    REQUIRE(partitions[static_cast<std::size_t>(partition)].holder.empty());
                    partitions[static_cast<std::size_t>(partition)].holder = me;
                }
                for (const auto partition : next.release) {
                    REQUIRE(partitions[static_cast<std::size_t>(partition)].holder == me);
                    partitions[static_cast<std::size_t>(partition)].holder.clear();
                }
            }
            std::map<std::string, std::size_t> held;
            for (const auto& partition : partitions) {
                REQUIRE_FALSE(partition.holder.empty());
                ++held[partition.holder];
            }
            for (const auto& name : live) {
                CHECK(held[name] >= count / live.size());
                CHECK(held[name] <= (count + live.size() - 1) / live.size());
            }
        };
        for (const std::string name : {"a", "b", "c", "d"}) {
            live.push_back(name);
            settle();
        }
        live.erase(live.begin() + 1);  // b dies: its leases run out
        for (auto& partition : partitions) {
            partition.holder = partition.holder == "b" ? "" : partition.holder;
        }
        settle();
    }
}

TEST_CASE("an event's time is the detector's, moved by the agent's offset, if it can be") {
    const auto received = base::from_civil_utc({2026, 4, 8, 1, 0, 0, 0});
    const auto us = base::to_us(received);
    const auto at = [](std::int64_t value) { return base::time_from_us(value); };
    struct Row {
        const char* sentence;
        domain::ReportedTimes reported;
        std::optional<base::Time> corrected;
        base::Time event;
        bool implausible;
    };
    const std::int64_t hour = 3'600'000'000;
    const std::vector<Row> rows{
        {"no time at all: when it was received", {0, 0, 0, 0}, std::nullopt, received, false},
        {"the detector's time", {us - hour, us, 0, 0}, at(us - hour), at(us - hour), false},
        {"none of the detector: the agent's", {0, us - 5, 0, 0}, at(us - 5), at(us - 5), false},
        {"the entry's own offset goes first", {us - hour, 0, 1000, 99}, at(us - hour + 1000), at(us - hour + 1000), false},
        {"else the session's", {us - hour, 0, 0, 99}, at(us - hour + 99), at(us - hour + 99), false},
        {"a little in the future is now", {us + hour / 60, 0, 0, 0}, at(us + hour / 60), received, false},
        {"an hour in the future cannot be", {us + hour, 0, 0, 0}, at(us + hour), received, true},
        {"1970 cannot be", {1, 0, 0, 0}, at(1), received, true},
        {"2038 cannot be", {2'147'483'647'000'000, 0, 0, 0}, at(2'147'483'647'000'000), received, true},
        {"held back for three months can be", {us - 90 * 24 * hour, 0, 0, 0}, at(us - 90 * 24 * hour), at(us - 90 * 24 * hour), false},
        {"the last microsecond there is", {INT64_MAX, 0, INT64_MAX, 0}, base::from_civil_utc({9999, 12, 31, 23, 59, 59, 999'999}), received, true},
        {"the first", {INT64_MIN, 0, INT64_MIN, 0}, base::from_civil_utc({1, 1, 1, 0, 0, 0, 0}), received, true},
    };
    for (const auto& row : rows) {
        INFO(row.sentence);
        const auto times = domain::event_times(row.reported, received);
        CHECK(times.corrected == row.corrected);
        CHECK(times.event == row.event);
        CHECK(times.implausible == row.implausible);
    }
    CHECK(domain::tally_hour(received - minutes{1}, received) == received - hours{1});
    CHECK(domain::tally_hour(received - hours{24 * 31}, received) == received - hours{24 * 31});
    CHECK(domain::tally_hour(received - hours{24 * 31} - minutes{1}, received) == received);
    CHECK(domain::clock_is_off(5 * 60'000'001));
    CHECK(domain::clock_is_off(INT64_MIN));
    CHECK_FALSE(domain::clock_is_off(-60'000'000));
}

TEST_CASE("SHA-1 and UUIDv5 give the published values") {
    const auto hex = [](const auto& bytes) { return base::to_hex(bytes); };
    CHECK(hex(base::sha1("")) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    CHECK(hex(base::sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");  // FIPS 180 examples
    CHECK(hex(base::sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) == "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    CHECK(hex(base::sha1(std::string(1'000'000, 'a'))) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    std::mt19937 random{1};
    for (std::size_t size = 0; size < 300; ++size) {
        std::string bytes(size, '\0');
        std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random()); });
        CHECK(base::sha1(bytes) == base::sha1(bytes, true));
    }
    const auto dns = base::from_hex("6ba7b8109dad11d180b400c04fd430c8");
    base::Bytes16 space{};
    std::copy(dns->begin(), dns->end(), space.begin());
    CHECK(base::uuid_text(base::uuid_v5(space, "www.example.com")) == "2ed6657d-e927-568b-95e1-2665a8aea6a2");  // RFC 9562, A.4
    CHECK(base::uuid_text(base::uuid_v5(space, std::string(32, 'x'))) == "f604365a-89a0-5027-88d3-00379d7f7ea8");  // as Python's uuid has it
    CHECK(base::uuid_text(base::uuid_v5(space, std::string(33, 'x'))) == "688abf8a-de33-57fd-92c1-72d3f2b9a423");  // as Python's uuid has it
    CHECK(base::uuid_text(base::uuid_v5(space, std::string(100, 'x'))) == "897f5b43-a3c8-582d-9c8d-9cfe358a534d");  // as Python's uuid has it
}

TEST_CASE("a detection's id follows from rental, lane, spool and sequence, and from nothing else") {
    using domain::delivery::Lane;
    std::set<base::Bytes16> ids;
    domain::delivery::SpoolId one{}, two{};
    two[0] = 1;
    for (const auto& stream : {domain::stream_uuid({1}, Lane::normal, one), domain::stream_uuid({2}, Lane::normal, one),
                               domain::stream_uuid({1}, Lane::urgent, one), domain::stream_uuid({1}, Lane::normal, two)}) {
        for (domain::delivery::Seq seq = 1; seq <= 100; ++seq) {
            ids.insert(domain::detection_id(stream, seq));
        }
    }
    CHECK(ids.size() == 400);
    // Written down once: rows that are stored must be found again by later versions.
    CHECK(base::uuid_text(domain::detection_id(domain::stream_uuid({7}, Lane::normal, one), 42)) == "8a98a584-1268-5f8a-9b8b-776346642456");
}
