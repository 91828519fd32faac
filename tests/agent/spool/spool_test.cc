// What the spool keeps, gives back and states as lost, on a disk that works.
#include "agent/spool/support.h"
#include "appliance-agent/spool/checkpoints.h"

using namespace mimamori::agent::spool;
namespace delivery = mimamori::domain::delivery;

TEST_CASE("what was committed is there after a restart, under the same numbers and the same chain") {
    SimulatedDisk disk{1};
    delivery::SpoolId id;
    delivery::Hash128 h;
    {
        auto spool = open_spool(disk);
        add_and_commit(*spool, Lane::normal, numbered(1, 20));
        add_and_commit(*spool, Lane::normal, numbered(21, 40));
        id = spool->lane(Lane::normal).spool_id();
        h = spool->lane(Lane::normal).h_before(41);
    }
    disk.restart();
    auto spool = open_spool(disk);
    REQUIRE(spool->lane(Lane::normal).spool_id() == id);
    REQUIRE(spool->lane(Lane::normal).h_before(41) == h);
    REQUIRE(payloads_of(read_all(*spool, Lane::normal)) == numbered(1, 40));
}

TEST_CASE("lanes have spool ids, numbers and chains of their own") {
    SimulatedDisk disk{2};
    auto spool = open_spool(disk);
    add_and_commit(*spool, Lane::urgent, numbered(1, 3));
    add_and_commit(*spool, Lane::rollup, numbered(10, 19));
    REQUIRE(payloads_of(read_all(*spool, Lane::urgent)) == numbered(1, 3));
    REQUIRE(payloads_of(read_all(*spool, Lane::rollup)) == numbered(10, 19));
    REQUIRE(spool->lane(Lane::normal).last_durable() == 0);
    std::set<delivery::SpoolId> ids;
    for (const auto lane : all_lanes) {
        ids.insert(spool->lane(lane).spool_id());
    }
    REQUIRE(ids.size() == 3);
}

TEST_CASE("an entry added but not committed is not numbered and not there after a restart") {
    SimulatedDisk disk{3};
    {
        auto spool = open_spool(disk);
        REQUIRE(spool->add(Lane::normal, entry_of("not yet")));
        REQUIRE(spool->lane(Lane::normal).last_durable() == 0);
    }
    disk.restart();
    REQUIRE(open_spool(disk)->lane(Lane::normal).last_durable() == 0);
}

TEST_CASE("a commit is bounded in entries and in bytes") {
    SimulatedDisk disk{4};
    auto settings = small_spool();
    settings.lane = {};
    settings.max_bytes = 8U << 20U;
    auto spool = open_spool(disk, settings);
    std::size_t added = 0;
    while (spool->add(Lane::normal, entry_of("x"))) {
        REQUIRE(++added <= max_frame_entries);
    }
    REQUIRE(added == max_frame_entries);
    const std::string large(max_payload_bytes, 'x');
    std::size_t bytes = 0;
    while (spool->add(Lane::urgent, entry_of(large))) {
        bytes += large.size();
        REQUIRE(bytes <= Spool::max_pending_bytes + max_payload_bytes);
    }
    REQUIRE(*spool->commit(1) == Spool::Commit::done);
    REQUIRE(spool->add(Lane::normal, entry_of("x")));
    REQUIRE(spool->read(Lane::urgent, 1, {}).value().entries.size() ==
            1);  // above the limit of a batch, and still sent
}

TEST_CASE("settled segments are unlinked; numbers and H go on when nothing is left") {
    SimulatedDisk disk{5};
    delivery::Hash128 h;
    {
        auto spool = open_spool(disk);
        for (int i = 0; i < 10; ++i) {
            add_and_commit(*spool, Lane::normal, numbered(i * 10 + 1, i * 10 + 10, 30));
        }
        const auto files = segments_of(disk, "normal").size();
        REQUIRE(files > 5);
        REQUIRE(spool->free(Lane::normal, 55));
        REQUIRE(spool->lane(Lane::normal).first() <= 55);
        REQUIRE(spool->lane(Lane::normal).first() > 30);
        REQUIRE(segments_of(disk, "normal").size() < files);
        REQUIRE(spool->free(Lane::normal, 101));
        REQUIRE(spool->lane(Lane::normal).first() == 101);
        REQUIRE(segments_of(disk, "normal").size() == 1);
        h = spool->lane(Lane::normal).h_before(101);
    }
    disk.restart();
    auto spool = open_spool(disk);
    REQUIRE(spool->lane(Lane::normal).first() == 101);
    REQUIRE(spool->lane(Lane::normal).last_durable() == 100);
    REQUIRE(spool->lane(Lane::normal).h_before(101) == h);
    add_and_commit(*spool, Lane::normal, {"the 101st"});
    REQUIRE(read_all(*spool, Lane::normal).payloads.at(101) == "the 101st");
}

TEST_CASE("what no stored checkpoint covers is neither freed nor given up") {
    SimulatedDisk disk{6};
    auto settings = small_spool();
    settings.max_bytes = 6000;
    auto spool = open_spool(disk, settings);
    for (int i = 0; i < 30; ++i) {
        REQUIRE(spool->add(Lane::normal, entry_of(std::string(50, 'a'), "uncovered")));
        REQUIRE(*spool->commit(1) == Spool::Commit::done);
    }
    REQUIRE(spool->uncovered(Lane::normal).size() == 30);
    REQUIRE(spool->free(Lane::normal, 31));
    REQUIRE(spool->lane(Lane::normal).first() == 1);
    auto state = Spool::Commit::done;
    for (int i = 0; i < 30 && state == Spool::Commit::done; ++i) {
        (void)spool->add(Lane::normal, entry_of(std::string(50, 'b'), "uncovered"));
        state = *spool->commit(1);
    }
    REQUIRE(state == Spool::Commit::full);
    REQUIRE(spool->given_up_entries() == 0);
    spool->cover(everything);
    REQUIRE(*spool->commit(1) == Spool::Commit::done);
    REQUIRE(spool->given_up_entries() > 0);
    REQUIRE_FALSE(spool->has_pending());
}

TEST_CASE("a full spool gives up its lowest lane's oldest segments, and states each entry's digest and class") {
    SimulatedDisk disk{7};
    auto settings = small_spool();
    settings.max_bytes = 12'000;
    auto spool = open_spool(disk, settings);
    add_and_commit(*spool, Lane::urgent, numbered(1, 8, 40));
    for (int i = 0; i < 3; ++i) {
        add_and_commit(*spool, Lane::rollup, numbered(i * 8 + 1, i * 8 + 8, 40));
    }
    for (int i = 0; i < 20; ++i) {
        add_and_commit(*spool, Lane::normal, numbered(i * 8 + 1, i * 8 + 8, 40));
        REQUIRE(spool->bytes() <= settings.max_bytes);
        if (!read_all(*spool, Lane::normal).tombstones.empty()) {  // the lowest lane went first, and wholly
            REQUIRE(read_all(*spool, Lane::rollup).payloads.empty());
        }
    }
    REQUIRE(payloads_of(read_all(*spool, Lane::urgent)) == numbered(1, 8, 40));
    const auto check = [&] {
        const auto held = read_all(*spool, Lane::normal);
        REQUIRE_FALSE(held.tombstones.empty());
        REQUIRE(held.tombstones.front().first == 1);
        REQUIRE(held.damaged.empty());
        REQUIRE(held.payloads.at(160) == numbered(160, 160, 40).front());
        const auto piece = spool->read(Lane::normal, 2, {}).value();
        const auto digest = delivery::digest_of(EntryKind::event, numbered(2, 2, 40).front());
        REQUIRE(digests_of(piece.tombstone.digests).front() == digest);
        REQUIRE(piece.tombstone.classes.front() == 1);
        REQUIRE(piece.tombstone.span.oldest_observed_us > 1'000'000);
        REQUIRE(piece.tombstone.span.newest_observed_us >= piece.tombstone.span.oldest_observed_us);
    };
    check();
    spool.reset();
    disk.restart();
    spool = open_spool(disk, settings);
    check();
    REQUIRE(spool->free(Lane::normal, 161));
    REQUIRE(spool->lane(Lane::normal).first() == 161);
}

TEST_CASE("a full disk below the spool's own bound is met from the reserved room") {
    SimulatedDisk disk{8};
    auto spool = open_spool(disk);
    disk.set_capacity(disk.used() + 8000);
    for (int i = 0; i < 20; ++i) {
        add_and_commit(*spool, Lane::normal, numbered(i * 8 + 1, i * 8 + 8, 40));
    }
    const auto held = read_all(*spool, Lane::normal);
    REQUIRE(held.tombstones.size() > 5);
    REQUIRE(held.damaged.empty());
    REQUIRE(held.payloads.at(160) == numbered(160, 160, 40).front());
}

TEST_CASE("when nothing is left to give up, entries wait and come in once there is room") {
    SimulatedDisk disk{9};
    auto settings = small_spool();
    settings.max_bytes = 6000;
    auto spool = open_spool(disk, settings);
    auto state = Spool::Commit::done;
    int committed = 0;
    for (int i = 0; i < 2000 && state == Spool::Commit::done; ++i) {
        REQUIRE(spool->add(Lane::normal, entry_of("y")));
        state = *spool->commit(1);
        spool->cover(everything);
        committed += state == Spool::Commit::done;
    }
    REQUIRE(state == Spool::Commit::full);
    REQUIRE(spool->bytes() <= settings.max_bytes);
    REQUIRE(spool->lane(Lane::normal).last_durable() == static_cast<Seq>(committed));
    REQUIRE(spool->has_pending());
    REQUIRE(spool->free(Lane::normal, static_cast<Seq>(committed) + 1));
    REQUIRE(*spool->commit(1) == Spool::Commit::done);
    REQUIRE(spool->lane(Lane::normal).last_durable() == static_cast<Seq>(committed) + 1);
}

TEST_CASE("two processes do not share a spool") {
    SimulatedDisk disk{10};
    auto spool = open_spool(disk);
    std::vector<std::string> notes;
    const auto second = Spool::open(disk, small_spool(), everything, notes);
    REQUIRE_FALSE(second);
    REQUIRE(second.error().kind == FileError::Kind::busy);
    spool.reset();
    REQUIRE(Spool::open(disk, small_spool(), everything, notes));
}

TEST_CASE("after a fork the entries from the cursor on stand under a new spool id with their digests unchanged") {
    SimulatedDisk disk{11};
    auto spool = open_spool(disk);
    for (int i = 0; i < 6; ++i) {
        add_and_commit(*spool, Lane::normal, numbered(i * 10 + 1, i * 10 + 10));
    }
    const auto old_id = spool->lane(Lane::normal).spool_id();
    SECTION("H agreed: what lies after the cursor") {
        REQUIRE(spool->move(Lane::normal, 35));
        const auto held = read_all(*spool, Lane::normal);
        REQUIRE(payloads_of(held) == numbered(35, 60));
        REQUIRE(held.suspects.at(1)->seq == 35);
    }
    SECTION("H did not agree: everything") {
        REQUIRE(spool->move(Lane::normal, 1));
        const auto held = read_all(*spool, Lane::normal);
        REQUIRE(payloads_of(held) == numbered(1, 60));
        REQUIRE(held.suspects.at(17)->seq == 17);
        REQUIRE(held.suspects.at(17)->spool_id == old_id);
    }
    SECTION("twice: each still names the first place it ever had") {
        REQUIRE(spool->move(Lane::normal, 11));
        REQUIRE(spool->move(Lane::normal, 21));
        const auto held = read_all(*spool, Lane::normal);
        REQUIRE(payloads_of(held) == numbered(31, 60));
        REQUIRE(held.suspects.at(1)->seq == 31);
        REQUIRE(held.suspects.at(1)->spool_id == old_id);
    }
    REQUIRE(spool->lane(Lane::normal).spool_id() != old_id);
    REQUIRE(spool->lane(Lane::normal).first() == 1);
    REQUIRE(spool->lane(Lane::normal).h_before(1) ==
            delivery::chain_origin(Lane::normal, spool->lane(Lane::normal).spool_id()));
    const auto before = payloads_of(read_all(*spool, Lane::normal));
    spool.reset();
    disk.restart();
    spool = open_spool(disk);
    REQUIRE(payloads_of(read_all(*spool, Lane::normal)) == before);
    add_and_commit(*spool, Lane::normal, {"and on"});
    REQUIRE(payloads_of(read_all(*spool, Lane::normal)).back() == "and on");
}

TEST_CASE("a tombstone moves with a forked spool, and what no checkpoint covers stays, marked") {
    SimulatedDisk disk{12};
    auto settings = small_spool();
    settings.max_bytes = 6000;
    auto spool = open_spool(disk, settings);
    for (int i = 0; i < 10; ++i) {
        add_and_commit(*spool, Lane::normal, numbered(i * 8 + 1, i * 8 + 8, 40));
    }
    const auto lost = read_all(*spool, Lane::normal).tombstones.size();
    REQUIRE(lost > 0);
    const auto kept = payloads_of(read_all(*spool, Lane::normal));
    REQUIRE(spool->add(Lane::normal, entry_of("line", "uncovered")));
    REQUIRE(*spool->commit(1) == Spool::Commit::done);
    REQUIRE(spool->move(Lane::normal, 3));
    const auto held = read_all(*spool, Lane::normal);
    REQUIRE_FALSE(held.tombstones.empty());
    REQUIRE(spool->lane(Lane::normal).last_durable() == 79);  // 3..81
    REQUIRE(spool->uncovered(Lane::normal).size() == 1);
    REQUIRE(spool->uncovered(Lane::normal).front().seq == 79);
    REQUIRE(spool->move(Lane::normal, 80));  // all settled, but its line's checkpoint was not stored
    const auto last = read_all(*spool, Lane::normal);
    REQUIRE(payloads_of(last) == std::vector<std::string>{"line"});
    REQUIRE(last.suspects.at(1)->seq == 81);
}

TEST_CASE("checkpoints come back together, and a torn write leaves the ones before") {
    SimulatedDisk disk{13};
    REQUIRE(disk.make_folder("/spool"));
    {
        auto checkpoints = Checkpoints::open(disk, "/spool").value();
        REQUIRE(checkpoints.index_of("utm").value() == 0);
        REQUIRE(checkpoints.index_of("eve").value() == 1);
        checkpoints.set("utm", "first");
        REQUIRE(checkpoints.store());
        checkpoints.set("utm", "second");
        checkpoints.set("eve", "also");
        REQUIRE(checkpoints.store());
    }
    disk.restart();
    auto& bytes = disk.content("/spool/checkpoints");
    SECTION("whole") {
        auto checkpoints = Checkpoints::open(disk, "/spool").value();
        REQUIRE(checkpoints.sources().at("utm") == Checkpoints::Source{0, "second"});
        REQUIRE(checkpoints.sources().at("eve") == Checkpoints::Source{1, "also"});
        REQUIRE(checkpoints.index_of("third").value() == 2);
    }
    SECTION("the newest slot torn") {
        bytes[20] = static_cast<char>(bytes[20] ^ 1);
        auto checkpoints = Checkpoints::open(disk, "/spool").value();
        REQUIRE(checkpoints.sources().at("utm") == Checkpoints::Source{0, "first"});
        REQUIRE_FALSE(checkpoints.was_unreadable());
    }
    SECTION("both unreadable is said aloud") {
        bytes[20] = static_cast<char>(bytes[20] ^ 1);
        bytes[4096 + 20] = static_cast<char>(bytes[4096 + 20] ^ 1);
        REQUIRE(Checkpoints::open(disk, "/spool").value().was_unreadable());
    }
    SECTION("more sources than there is room for are refused") {
        auto checkpoints = Checkpoints::open(disk, "/spool").value();
        for (std::size_t i = checkpoints.sources().size(); i < Checkpoints::max_sources; ++i) {
            REQUIRE(checkpoints.index_of(fmt::format("{:>64}", i)));
            checkpoints.set(fmt::format("{:>64}", i), std::string(Checkpoints::max_checkpoint_bytes, 'c'));
        }
        REQUIRE_FALSE(checkpoints.index_of("one more"));
        REQUIRE(checkpoints.store());
        REQUIRE(Checkpoints::open(disk, "/spool").value().sources().size() == Checkpoints::max_sources);
    }
}
