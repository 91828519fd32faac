#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "domain/delivery/chain.h"

using namespace mimamori::domain::delivery;
using mimamori::base::to_hex;

// The chain is on disks and in databases: it must never come out differently.
TEST_CASE("the chain's values are frozen") {
    SpoolId spool{};
    for (std::size_t i = 0; i < spool.size(); ++i) {
        spool[i] = static_cast<std::uint8_t>(i);
    }
    const auto digest = digest_of(EntryKind::event, "a payload");
    const auto origin = chain_origin(Lane::normal, spool);
    // XXH3-128 of 01 and "a payload"; of the tag, 00, 01 and the spool id; of H, the sequence and d.
    CHECK(to_hex(digest) == "52fcbb12103835479ec72d97a4d60c8e");
    CHECK(to_hex(origin) == "5f0392c1dbf5f6453a20679717a75a68");
    CHECK(to_hex(chain_next(origin, 1, digest)) == "af9bb8d20b4fad70c8186135eca562f6");
}

TEST_CASE("everything that makes an entry what it is changes the chain") {
    const SpoolId one{1}, other{2};
    const auto event = digest_of(EntryKind::event, "x");
    std::set<Hash128> seen;
    for (const auto& hash :
         {event, digest_of(EntryKind::rejected, "x"), digest_of(EntryKind::block, "x"),
          digest_of(EntryKind::event, "y"), digest_of(EntryKind::event, ""), chain_origin(Lane::urgent, one),
          chain_origin(Lane::normal, one), chain_origin(Lane::urgent, other), chain_next(event, 1, event),
          chain_next(event, 2, event), chain_next(event, 256, event),
          chain_next(chain_next(event, 1, event), 1, event)}) {
        CHECK(seen.insert(hash).second);
    }
}

TEST_CASE("a payload of any length is hashed whole") {
    std::set<Hash128> seen;
    for (const std::size_t size :
         {0U, 1U, 15U, 16U, 17U, 127U, 128U, 129U, 239U, 240U, 241U, 1023U, 1024U, 1025U, 70'000U}) {
        std::string payload(size, 'a');
        CHECK(seen.insert(digest_of(EntryKind::event, payload)).second);
        if (size > 0) {
            payload.back() = 'b';
            CHECK(seen.insert(digest_of(EntryKind::event, payload)).second);
        }
    }
}

TEST_CASE("the chain is over entries: however a range is cut, H after it is the same") {
    std::vector<Hash128> digests;
    for (int i = 0; i < 20; ++i) {
        digests.push_back(digest_of(EntryKind::event, std::to_string(i)));
    }
    const auto origin = chain_origin(Lane::rollup, SpoolId{7});
    const std::span<const Hash128> all{digests};
    const auto whole = chain_over(origin, 1, all);
    for (std::size_t cut = 0; cut <= digests.size(); ++cut) {
        CHECK(chain_over(chain_over(origin, 1, all.first(cut)), cut + 1, all.subspan(cut)) == whole);
    }
    CHECK(chain_over(origin, 2, all) != whole);
}
