// The spool's files as a damaged disk may give them back. The first byte says what the rest is: a frame's body, or
// changes (place, value) to a good segment or a good tombstone. Whatever was changed, only entries that were written
// come out.
#include <algorithm>
#include <string>
#include <vector>

#include "appliance-agent/spool/segment.h"
#include "fuzz/require.h"

namespace {

using namespace mimamori::agent::spool;

const StreamKey key{};
const std::string payload(300, 'p');

std::string good_segment() {
    auto out = to_bytes(SegmentHeader{}, key);
    for (Seq first = 1; first < 10; first += 3) {
        const Entry entry{.kind = EntryKind::event,
                          .class_byte = 1,
                          .observed_at_us = 5,
                          .digest = {},
                          .suspect = {},
                          .position = "q",
                          .payload = payload};
        const std::vector<Entry> entries(3, entry);
        out += frame_of(entries, first, Hash128{}, 7, key);
    }
    return out;
}

std::string changed(std::string bytes, const std::uint8_t* data, std::size_t size) {
    for (std::size_t i = 0; i + 2 < size; i += 3) {
        const std::size_t place = (data[i] * 256U + data[i + 1]) % bytes.size();
        if (data[i + 2] == 0) {
            bytes.resize(std::max<std::size_t>(place, 1));
        } else {
            bytes[place] = static_cast<char>(static_cast<unsigned char>(bytes[place]) ^ data[i + 2]);
        }
    }
    return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string segment = good_segment();
    static const std::string tombstone = tombstone_of(
        SegmentHeader{.first = 1,
                      .h_before = {},
                      .tombstone = TombstoneSpan{.entries = 3, .oldest_observed_us = 1, .newest_observed_us = 2},
                      .body_sum = 0},
        std::string(48, 'd'), std::string(3, '\1'), key);
    if (size < 2) {
        return 0;
    }
    if (data[0] % 3 == 0) {
        const auto entries = entries_from({reinterpret_cast<const char*>(data) + 2, size - 2}, data[1]);
        mimamori::fuzz::require(!entries || entries->size() == data[1], "entries are as many as declared");
    } else if (data[0] % 3 == 1) {
        const Whole file{.bytes = changed(segment, data + 2, size - 2), .readable = true};
        const auto scan =
            scan_events(file, 1, key, (data[1] & 1U) != 0, [](const FrameHeader&, std::vector<Entry>&& entries) {
                for (const auto& entry : entries) {
                    mimamori::fuzz::require(entry.payload == payload && entry.position == "q",
                                            "only what was written comes out");
                }
            });
        mimamori::fuzz::require(scan.end <= file.bytes.size() && scan.last_frame <= scan.end,
                                "what was read lies in the file");
    } else {
        const auto bytes = changed(tombstone, data + 2, size - 2);
        const auto read = tombstone_from(bytes, key);
        mimamori::fuzz::require(!read || (bytes == tombstone && read->span.entries == 3),
                                "only what was written comes out");
    }
    return 0;
}
