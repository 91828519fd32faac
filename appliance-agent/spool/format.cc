#include "appliance-agent/spool/format.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace mimamori::agent::spool {
namespace {

constexpr std::string_view segment_magic{"MMSPOOL1", 8};
constexpr std::uint32_t frame_magic = 0x314D464D;  // "MFM1"
constexpr std::uint8_t events_type = 1;
constexpr std::uint8_t tombstone_type = 2;
constexpr std::uint8_t suspect_flag = 1;
constexpr std::size_t record_header_bytes = 32;
constexpr std::size_t suspect_bytes = 24;

template <class Int>
void put(std::string& out, Int value) {
    for (std::size_t i = 0; i < sizeof(Int); ++i) {
        out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF));
    }
}

void put(std::string& out, const Hash128& value) {
    out.append(reinterpret_cast<const char*>(value.data()), value.size());
}

// Takes parts off the front; the caller has checked that there is enough.
struct Reader {
    std::string_view bytes;

    template <class Int>
    Int number() {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(Int); ++i) {
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
        }
        bytes.remove_prefix(sizeof(Int));
        return static_cast<Int>(value);
    }
    Hash128 hash() {
        Hash128 out;
        std::memcpy(out.data(), bytes.data(), out.size());
        bytes.remove_prefix(out.size());
        return out;
    }
    std::string text(std::size_t size) {
        std::string out{bytes.substr(0, size)};
        bytes.remove_prefix(size);
        return out;
    }
};

void seal(std::string& header, const StreamKey& key) {
    put(header, checksum(header, key));
}

bool is_sealed(std::string_view header, const StreamKey& key) {
    const auto content = header.substr(0, header.size() - 8);
    return Reader{header.substr(content.size())}.number<std::uint64_t>() == checksum(content, key);
}

}  // namespace

std::uint64_t checksum(std::string_view bytes, const StreamKey& key) {
    std::uint64_t halves[2];
    std::memcpy(halves, key.spool_id.data(), sizeof halves);
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(),
                                halves[0] ^ halves[1] ^ static_cast<std::uint64_t>(key.lane));
}

std::string to_bytes(const SegmentHeader& header, const StreamKey& key) {
    std::string out{segment_magic};
    out.reserve(segment_header_bytes);
    put(out, header.tombstone ? tombstone_type : events_type);
    put(out, static_cast<std::uint8_t>(key.lane));
    out.append(6, '\0');
    put(out, key.spool_id);
    put(out, header.first);
    put(out, header.h_before);
    const auto span = header.tombstone.value_or(TombstoneSpan{});
    put(out, static_cast<std::uint64_t>(span.entries));
    put(out, span.oldest_observed_us);
    put(out, span.newest_observed_us);
    put(out, header.body_sum);
    seal(out, key);
    return out;
}

std::optional<SegmentHeader> segment_header_from(std::string_view bytes, const StreamKey& key) {
    if (bytes.size() < segment_header_bytes || !bytes.starts_with(segment_magic) ||
        !is_sealed(bytes.substr(0, segment_header_bytes), key)) {
        return std::nullopt;
    }
    Reader in{bytes.substr(segment_magic.size())};
    const auto type = in.number<std::uint8_t>();
    const auto lane = in.number<std::uint8_t>();
    in.bytes.remove_prefix(6);
    const auto spool_id = in.hash();
    SegmentHeader out;
    out.first = in.number<Seq>();
    out.h_before = in.hash();
    TombstoneSpan span;
    span.entries = static_cast<std::uint32_t>(in.number<std::uint64_t>());
    span.oldest_observed_us = in.number<std::int64_t>();
    span.newest_observed_us = in.number<std::int64_t>();
    out.body_sum = in.number<std::uint64_t>();
    if (type == tombstone_type) {
        out.tombstone = span;
    }
    const bool ours = lane == static_cast<std::uint8_t>(key.lane) && spool_id == key.spool_id;
    return ours && (type == events_type || type == tombstone_type) ? std::optional{out} : std::nullopt;
}

std::optional<FrameHeader> frame_header_from(std::string_view bytes, const StreamKey& key) {
    if (bytes.size() < frame_header_bytes || Reader{bytes}.number<std::uint32_t>() != frame_magic ||
        !is_sealed(bytes.substr(0, frame_header_bytes), key)) {
        return std::nullopt;
    }
    Reader in{bytes.substr(4)};
    FrameHeader out;
    out.body_bytes = in.number<std::uint32_t>();
    out.first = in.number<Seq>();
    out.count = in.number<std::uint32_t>();
    in.bytes.remove_prefix(4);
    out.h_before = in.hash();
    out.spooled_at_us = in.number<std::int64_t>();
    out.body_sum = in.number<std::uint64_t>();
    const bool possible = out.body_bytes <= max_frame_body_bytes && out.count >= 1 && out.count <= max_frame_entries;
    return possible ? std::optional{out} : std::nullopt;
}

std::size_t record_bytes(const Entry& entry) {
    return record_header_bytes + (entry.suspect ? suspect_bytes : 0) + entry.position.size() + entry.payload.size();
}

std::string frame_of(std::span<const Entry> entries, Seq first, const Hash128& h_before, std::int64_t now_us,
                     const StreamKey& key) {
    std::string body;
    for (const auto& entry : entries) {
        put(body, static_cast<std::uint32_t>(entry.payload.size()));
        put(body, static_cast<std::uint8_t>(entry.kind));
        put(body, entry.class_byte);
        put(body, static_cast<std::uint8_t>(entry.suspect ? suspect_flag : 0));
        put(body, static_cast<std::uint8_t>(entry.position.size()));
        put(body, entry.observed_at_us);
        put(body, entry.digest);
        if (entry.suspect) {
            put(body, entry.suspect->spool_id);
            put(body, entry.suspect->seq);
        }
        body += entry.position;
        body += entry.payload;
    }
    std::string out;
    out.reserve(frame_header_bytes + body.size());
    put(out, frame_magic);
    put(out, static_cast<std::uint32_t>(body.size()));
    put(out, first);
    put(out, static_cast<std::uint64_t>(entries.size()));  // count and padding
    put(out, h_before);
    put(out, now_us);
    put(out, checksum(body, key));
    seal(out, key);
    return out += body;
}

std::optional<std::vector<Entry>> entries_from(std::string_view body, std::uint32_t count) {
    std::vector<Entry> out;
    out.reserve(count);
    Reader in{body};
    while (out.size() < count) {
        if (in.bytes.size() < record_header_bytes) {
            return std::nullopt;
        }
        auto& entry = out.emplace_back();
        const auto payload_size = in.number<std::uint32_t>();
        entry.kind = static_cast<EntryKind>(in.number<std::uint8_t>());
        entry.class_byte = in.number<std::uint8_t>();
        const auto flags = in.number<std::uint8_t>();
        const auto position_size = in.number<std::uint8_t>();
        entry.observed_at_us = in.number<std::int64_t>();
        entry.digest = in.hash();
        const std::size_t rest = (flags & suspect_flag ? suspect_bytes : 0) + std::size_t{position_size} + payload_size;
        if (in.bytes.size() < rest) {
            return std::nullopt;
        }
        if (flags & suspect_flag) {
            entry.suspect.emplace();
            entry.suspect->spool_id = in.hash();
            entry.suspect->seq = in.number<Seq>();
        }
        entry.position = in.text(position_size);
        entry.payload = in.text(payload_size);
    }
    return in.bytes.empty() ? std::optional{std::move(out)} : std::nullopt;
}

std::string tombstone_of(SegmentHeader header, std::string_view digests, std::string_view classes,
                         const StreamKey& key) {
    std::string body{digests};
    body += classes;
    header.body_sum = checksum(body, key);
    return to_bytes(header, key) + body;
}

}  // namespace mimamori::agent::spool
