#include "appliance-agent/sources/source.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <array>

#include "mimamori/detection/v1/detection.pb.h"

namespace mimamori::agent::sources {
namespace {

constexpr char form_version = 1;

template <class Int>
void put(std::string& out, Int value) {
    for (std::size_t i = 0; i < sizeof(Int); ++i) {
        out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF));
    }
}

template <class Int>
Int take(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Int); ++i) {
        value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    bytes.remove_prefix(sizeof(Int));
    return static_cast<Int>(value);
}

void put(std::string& out, const FileIdentity& file) {
    put(out, file.device);
    put(out, file.inode);
    put(out, file.generation);
    put(out, file.head_length);
    put(out, file.head_hash);
}

FileIdentity take_identity(std::string_view& bytes) {
    FileIdentity file;
    file.device = take<std::uint64_t>(bytes);
    file.inode = take<std::uint64_t>(bytes);
    file.generation = take<std::uint64_t>(bytes);
    file.head_length = take<std::uint32_t>(bytes);
    file.head_hash = take<std::uint64_t>(bytes);
    return file;
}

bool has_form(std::string_view bytes, std::size_t size) {
    return bytes.size() == size && bytes.front() == form_version;
}

// Fields of a protobuf message may stand in any order and pieces: appending them is setting them.
void append_sint64(std::string& payload, int field, std::int64_t value) {
    using Wire = google::protobuf::internal::WireFormatLite;
    if (value != 0) {
        google::protobuf::io::StringOutputStream stream(&payload);
        google::protobuf::io::CodedOutputStream coded(&stream);
        coded.WriteTag(Wire::MakeTag(field, Wire::WIRETYPE_VARINT));
        coded.WriteVarint64(Wire::ZigZagEncode64(value));
    }
}

}  // namespace

std::string_view name_of(LineFormat format) {
    static constexpr std::array<std::string_view, 4> names{"native", "suricata-eve", "sonicwall", "fortigate"};
    return names[static_cast<std::size_t>(format)];
}

std::string to_bytes(const Position& position) {
    if (position.file == FileIdentity{}) {
        return {};
    }
    std::string out(1, form_version);
    put(out, position.source_index);
    put(out, position.file);
    put(out, position.offset);
    return out;
}

std::string to_bytes(const Checkpoint& checkpoint) {
    std::string out(1, form_version);
    put(out, checkpoint.file);
    put(out, checkpoint.offset);
    put(out, checkpoint.modified_ns);
    return out;
}

std::optional<Position> position_from(std::string_view bytes) {
    if (!has_form(bytes, position_bytes)) {
        return std::nullopt;
    }
    bytes.remove_prefix(1);
    Position position;
    position.source_index = take<std::uint32_t>(bytes);
    position.file = take_identity(bytes);
    position.offset = take<std::uint64_t>(bytes);
    return position;
}

std::optional<Checkpoint> checkpoint_from(std::string_view bytes) {
    if (!has_form(bytes, checkpoint_bytes)) {
        return std::nullopt;
    }
    bytes.remove_prefix(1);
    Checkpoint checkpoint;
    checkpoint.file = take_identity(bytes);
    checkpoint.offset = take<std::uint64_t>(bytes);
    checkpoint.modified_ns = take<std::int64_t>(bytes);
    return checkpoint;
}

void stamp(Produced& entry, std::int64_t spooled_at_us, std::int64_t clock_offset_us) {
    using namespace detection::v1;
    switch (entry.kind) {
        case EntryKind::event:
            append_sint64(entry.payload, Detection::kSpooledAtUsFieldNumber, spooled_at_us);
            append_sint64(entry.payload, Detection::kClockOffsetUsFieldNumber, clock_offset_us);
            break;
        case EntryKind::block:
            append_sint64(entry.payload, Block::kSpooledAtUsFieldNumber, spooled_at_us);
            append_sint64(entry.payload, Block::kClockOffsetUsFieldNumber, clock_offset_us);
            break;
        case EntryKind::rejected:
            append_sint64(entry.payload, Rejected::kSpooledAtUsFieldNumber, spooled_at_us);
            break;
    }
}

}  // namespace mimamori::agent::sources
