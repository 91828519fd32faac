// Files that cannot be read any more: what is lost is stated, the rest stays, and numbering never goes wrong.
#include "agent/spool/support.h"

using namespace mimamori::agent::spool;
namespace delivery = mimamori::domain::delivery;

namespace {

// Six segments of eight entries and more, restarted.
struct Damaged {
    SimulatedDisk disk{1};
    delivery::SpoolId id{};
    delivery::Hash128 h_last{};
    Damaged() {
        auto spool = open_spool(disk);
        for (int i = 0; i < 12; ++i) {
            add_and_commit(*spool, Lane::normal, numbered(i * 4 + 1, i * 4 + 4, 60));
        }
        id = spool->lane(Lane::normal).spool_id();
        h_last = spool->lane(Lane::normal).h_before(49);
        spool.reset();
        disk.restart();
        REQUIRE(segments_of(disk, "normal").size() >= 4);
    }
    void flip(const std::string& path, std::size_t at) {
        auto& bytes = disk.content(path);
        bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    }
};

void require_same_stream(const Damaged& before, Spool& spool) {
    REQUIRE(spool.lane(Lane::normal).spool_id() == before.id);
    REQUIRE(spool.lane(Lane::normal).last_durable() == 48);
    REQUIRE(spool.lane(Lane::normal).h_before(49) == before.h_last);
}

// Nothing is invented, and what is neither held nor stated lost does not exist.
void require_all_accounted(const Held& held) {
    Seq next = 1;
    auto damaged = held.damaged;
    for (const auto& [seq, payload] : held.payloads) {
        while (next < seq) {
            REQUIRE_FALSE(damaged.empty());
            REQUIRE(damaged.front().first == next);
            next = damaged.front().second + 1;
            damaged.erase(damaged.begin());
        }
        REQUIRE(payload == numbered(static_cast<int>(seq), static_cast<int>(seq), 60).front());
        next = seq + 1;
    }
}

}  // namespace

TEST_CASE("a bad frame ends its segment; the range up to the next one is damaged and has the next one's H") {
    Damaged before;
    const auto path = segments_of(before.disk, "normal").at(1);
    before.flip(path, before.disk.content(path).size() - 10);
    auto spool = open_spool(before.disk);
    require_same_stream(before, *spool);
    const auto held = read_all(*spool, Lane::normal);
    REQUIRE(held.damaged.size() == 1);
    require_all_accounted(held);
    const auto [first, last] = held.damaged.front();
    const auto next_h = spool->lane(Lane::normal).h_before(last + 1);
    REQUIRE(spool->read(Lane::normal, first, {}).value().h_after == next_h);
}

TEST_CASE("a segment whose header or whole file is gone is a damaged range") {
    Damaged before;
    const auto path = segments_of(before.disk, "normal").at(2);
    SECTION("header") {
        before.flip(path, 40);
    }
    SECTION("file") {
        before.disk.remove(path);
    }
    SECTION("two in a row") {
        before.flip(path, 40);
        before.disk.remove(segments_of(before.disk, "normal").at(1));
    }
    auto spool = open_spool(before.disk);
    require_same_stream(before, *spool);
    const auto held = read_all(*spool, Lane::normal);
    REQUIRE_FALSE(held.damaged.empty());
    require_all_accounted(held);
    REQUIRE(spool->free(Lane::normal, 49));
    REQUIRE(spool->lane(Lane::normal).first() > 40);
}

TEST_CASE("an oldest segment without a header is no longer held") {
    Damaged before;
    before.flip(segments_of(before.disk, "normal").front(), 40);
    auto spool = open_spool(before.disk);
    require_same_stream(before, *spool);
    REQUIRE(spool->lane(Lane::normal).first() > 1);
    REQUIRE(read_all(*spool, Lane::normal).damaged.empty());
}

TEST_CASE("inside a damaged range the gateway's word for H is taken, and the range goes out from there") {
    Damaged before;
    const auto path = segments_of(before.disk, "normal").at(1);
    before.flip(path, 100);
    auto spool = open_spool(before.disk);
    const auto first = read_all(*spool, Lane::normal).damaged.front().first;
    const auto cursor = first + 1;
    REQUIRE_FALSE(spool->lane(Lane::normal).can_tell(cursor));
    const delivery::Hash128 word{7};
    spool->adopt(Lane::normal, cursor, word);
    REQUIRE(spool->lane(Lane::normal).h_before(cursor) == word);
    const auto piece = spool->read(Lane::normal, cursor, {}).value();
    REQUIRE(piece.kind == Piece::Kind::damaged);
    REQUIRE(piece.first == cursor);
    REQUIRE(piece.h_before == word);
}

TEST_CASE("a bad last segment means a new spool id, with everything readable marked suspect") {
    Damaged before;
    const auto path = segments_of(before.disk, "normal").back();
    const auto first = *segment_first(path.substr(path.find_last_of('/') + 1));
    Seq lost_first = first;
    SECTION("its header") {
        before.flip(path, 40);
    }
    SECTION("a frame that must have been synced, because a good one follows") {
        before.flip(path, segment_header_bytes + 70);
    }
    auto spool = open_spool(before.disk);
    REQUIRE(spool->lane(Lane::normal).spool_id() != before.id);
    const auto held = read_all(*spool, Lane::normal);
    REQUIRE(held.damaged.empty());
    std::set<Seq> old;
    for (const auto& [seq, suspect] : held.suspects) {
        REQUIRE(suspect);
        REQUIRE(suspect->spool_id == before.id);
        REQUIRE(held.payloads.at(seq) ==
                numbered(static_cast<int>(suspect->seq), static_cast<int>(suspect->seq), 60).front());
        old.insert(suspect->seq);
    }
    for (Seq seq = 1; seq < lost_first; ++seq) {
        REQUIRE(old.contains(seq));
    }
    REQUIRE(old.contains(48));  // behind the bad part, and still saved
    add_and_commit(*spool, Lane::normal, {"and on"});
    spool.reset();
    before.disk.restart();
    spool = open_spool(before.disk);
    REQUIRE(payloads_of(read_all(*spool, Lane::normal)).back() == "and on");
}

TEST_CASE("a torn tail that was never synced is cut and its numbers are used again") {
    Damaged before;
    const auto path = segments_of(before.disk, "normal").back();
    before.disk.content(path) += std::string(300, '\x5A');
    auto spool = open_spool(before.disk);
    require_same_stream(before, *spool);
    add_and_commit(*spool, Lane::normal, {"the 49th"});
    REQUIRE(read_all(*spool, Lane::normal).payloads.at(49) == "the 49th");
}

TEST_CASE("a frame that goes bad while the agent runs is stated as damaged, in the open segment too") {
    SimulatedDisk disk{3};
    auto spool = open_spool(disk);
    for (int i = 0; i < 4; ++i) {
        add_and_commit(*spool, Lane::normal, numbered(i * 4 + 1, i * 4 + 4));
    }
    REQUIRE(segments_of(disk, "normal").size() == 1);
    auto& bytes = disk.content(segments_of(disk, "normal").front());
    bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
    const auto held = read_all(*spool, Lane::normal);
    REQUIRE(payloads_of(held) == numbered(1, 12));
    REQUIRE(held.damaged == std::vector<std::pair<Seq, Seq>>{{13, 16}});
    add_and_commit(*spool, Lane::normal, {"and on"});
    REQUIRE(read_all(*spool, Lane::normal).payloads.at(17) == "and on");
}

TEST_CASE("every single flipped byte of a spool is either harmless or accounted for") {
    Damaged before;
    const auto paths = segments_of(before.disk, "normal");
    for (std::size_t number = 0; number < paths.size(); ++number) {
        const auto size = before.disk.content(paths[number]).size();
        for (std::size_t at = 0; at < size; at += 7) {
            auto disk = before.disk.image();
            auto& bytes = disk.content(paths[number]);
            bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
            auto spool = open_spool(disk);
            const auto held = read_all(*spool, Lane::normal);
            if (spool->lane(Lane::normal).spool_id() != before.id) {
                REQUIRE(number + 1 == paths.size());
                continue;
            }
            if (number + 1 < paths.size()) {
                REQUIRE(spool->lane(Lane::normal).last_durable() == 48);
                if (spool->lane(Lane::normal).first() == 1) {
                    require_all_accounted(held);
                }
            }
            REQUIRE(held.payloads.size() >= 48 - 16);
        }
    }
}
