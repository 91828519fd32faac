#include "appliance-agent/sources/fields.h"

#include "support.h"

namespace mimamori::agent::sources {
namespace {

TEST_CASE("an address has one text form; a name is no address") {
    CHECK(address_text("192.0.2.1") == "192.0.2.1");
    CHECK(address_text("2001:0db8:0000:0000:0000:0000:0000:0001") == "2001:db8::1");
    CHECK(address_text("fe80:0:0:0:0:0:0:1%eth0") == "fe80::1");
    CHECK(address_text("::ffff:192.0.2.1") == "192.0.2.1");
    for (const auto* text : {"", "example.com", "192.0.2.1:80", "10.12.14.9::X500", "192.0.2.256"}) {
        INFO(text);
        CHECK(address_text(text).empty());
    }
}

TEST_CASE("a MAC in any usual form; no device's is none") {
    for (const auto* text : {"00:00:5e:00:53:17", "00-00-5E-00-53-17", "0000.5e00.5317", "00005E005317"}) {
        CHECK(mac_text(text) == "00-00-5E-00-53-17");
    }
    for (const auto* text :
         {"", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:5e:00:53", "zz:00:5e:00:53:17"}) {
        INFO(text);
        CHECK(mac_text(text).empty());
    }
}

TEST_CASE("a hash is 64 hex digits") {
    const std::string upper(64, 'A');
    CHECK(sha256_text(upper) == std::string(64, 'a'));
    CHECK(sha256_text(upper.substr(1)).empty());
    CHECK(sha256_text(std::string(64, 'g')).empty());
}

TEST_CASE("positions and checkpoints survive their stored form") {
    const Position position{
        .source_index = 7,
        .file = {.device = 0xFEDCBA9876543210, .inode = 2, .generation = 3, .head_length = 256, .head_hash = ~0ULL},
        .offset = 1ULL << 40};
    const auto bytes = to_bytes(position);
    CHECK(bytes.size() == position_bytes);
    CHECK(position_from(bytes) == position);
    CHECK_FALSE(position_from(bytes.substr(1)));
    CHECK_FALSE(position_from("\x02" + bytes.substr(1)));
    const Checkpoint checkpoint{.file = position.file, .offset = 9, .modified_ns = -5};
    CHECK(to_bytes(checkpoint).size() == checkpoint_bytes);
    CHECK(checkpoint_from(to_bytes(checkpoint)) == checkpoint);
    CHECK_FALSE(checkpoint_from(""));
}

TEST_CASE("the agent's times are added to a payload that is already made") {
    Produced entry;
    detection::v1::Detection detection;
    detection.set_threat_name("x");
    entry.payload = detection.SerializeAsString();
    stamp(entry, 1'700'000'000'000'000, -250'000);
    CHECK(detection_in(entry).spooled_at_us() == 1'700'000'000'000'000);
    CHECK(detection_in(entry).clock_offset_us() == -250'000);
    CHECK(detection_in(entry).threat_name() == "x");

    Produced block;
    block.kind = EntryKind::block;
    stamp(block, 5, 6);
    CHECK(block_in(block).spooled_at_us() == 5);
    CHECK(block_in(block).clock_offset_us() == 6);

    Produced rejected;
    rejected.kind = EntryKind::rejected;
    stamp(rejected, 5, 6);
    CHECK(rejected_in(rejected).spooled_at_us() == 5);
}

}  // namespace
}  // namespace mimamori::agent::sources
