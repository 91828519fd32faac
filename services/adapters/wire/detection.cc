#include "adapters/wire/detection.h"

#include <cstring>

#include "adapters/wire/scan.h"
#include "base/text.h"

namespace mimamori::adapters::wire {
namespace {

constexpr std::string_view not_a_message = "the bytes are no protobuf message";
constexpr std::string_view bad_text = "a text is not UTF-8 or contains a NUL";
constexpr std::uint64_t most_blocks = 1'000'000'000'000;

// Whether each byte is from 0x01 to 0x7F: a high bit survives in `word` if a byte is not ASCII, and in the difference if
// one is 0 (or above 0x80).
bool all_ascii(std::uint64_t word) {
    return ((word | (word - 0x0101010101010101ULL)) & 0x8080808080808080ULL) == 0;
}

std::uint64_t word_at(const char* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

// Valid UTF-8 without NUL. Nearly all text is ASCII: eight bytes at a time, the last eight once more where the size is no
// multiple of it.
bool storable(std::string_view text) {
    std::size_t i = 0;
    if (text.size() >= 8) {
        while (i + 8 <= text.size() && all_ascii(word_at(text.data() + i))) {
            i += 8;
        }
        if (text.size() - i < 8 && all_ascii(word_at(text.data() + text.size() - 8))) {
            return true;
        }
    } else {
        while (i < text.size() && static_cast<signed char>(text[i]) > 0) {
            ++i;
        }
    }
    const auto rest = text.substr(i);
    return rest.find('\0') == std::string_view::npos && base::is_utf8(rest);
}

struct Reader {
    std::string_view problem;

    void text(const Scan& scan, std::string_view& out) {
        if (scan.is_bytes()) {
            out = scan.bytes();
            if (!storable(out)) {
                problem = bad_text;
            }
        }
    }
    static void raw(const Scan& scan, std::string_view& out) {
        if (scan.is_bytes()) {
            out = scan.bytes();
        }
    }
    static void micros(const Scan& scan, std::int64_t& out) {
        if (scan.is_number()) {
            out = scan.zigzag();
        }
    }
    static void flag(const Scan& scan, bool& out) {
        if (scan.is_number()) {
            out = scan.number() != 0;
        }
    }
    static void count(const Scan& scan, std::uint64_t& out) {
        if (scan.is_number()) {
            out = scan.number();
        }
    }
    static void low(const Scan& scan, std::uint32_t& out) {
        if (scan.is_number()) {
            out = scan.low();
        }
    }
};

}  // namespace

Decoded<domain::DetectionView> decode_detection(std::string_view payload) {
    domain::DetectionView out;
    Reader read;
    // Checked at the end: of a number given twice the last counts.
    std::uint32_t function = 0, action = 0, origin = 0, source_port = 0, destination_port = 0, vendor_priority = 0;
    Scan scan{payload};
    while (scan.next()) {
        switch (scan.field()) {
            case 1: Reader::low(scan, function); break;
            case 2: Reader::low(scan, action); break;
            case 3: Reader::low(scan, origin); break;
            case 4: Reader::micros(scan, out.observed_at_us); break;
            case 5: Reader::micros(scan, out.spooled_at_us); break;
            case 6: read.text(scan, out.source_ip); break;
            case 7: Reader::low(scan, source_port); break;
            case 8: read.text(scan, out.destination_ip); break;
            case 9: Reader::low(scan, destination_port); break;
            case 10: read.text(scan, out.lan_mac); break;
            case 11: read.text(scan, out.protocol); break;
            case 12: read.text(scan, out.app_protocol); break;
            case 13: read.text(scan, out.threat_name); break;
            case 14: read.text(scan, out.threat_id); break;
            case 15: read.text(scan, out.virus_name); break;
            case 16: read.text(scan, out.virus_id); break;
            case 17: read.text(scan, out.file_name); break;
            case 18: read.text(scan, out.file_sha256); break;
            case 19: read.text(scan, out.mail_subject); break;
            case 20: read.text(scan, out.mail_date); break;
            case 21: read.text(scan, out.destination_host); break;
            case 22: read.text(scan, out.url); break;
            case 23: read.text(scan, out.category); break;
            case 24: read.text(scan, out.application); break;
            case 25: Reader::low(scan, vendor_priority); break;
            case 26: read.text(scan, out.source_format); break;
            case 27: read.text(scan, out.source_id); break;
            case 28: Reader::raw(scan, out.raw); break;
            case 29: Reader::flag(scan, out.raw_truncated); break;
            case 30: Reader::micros(scan, out.clock_offset_us); break;
            default: break;
        }
    }
    if (scan.failed()) {
        return tl::unexpected{not_a_message};
    }
    if (!read.problem.empty()) {
        return tl::unexpected{read.problem};
    }
    if (function >= domain::function_names.size() || action >= domain::action_names.size() || origin > 3) {
        return tl::unexpected{std::string_view{"a function, action or origin that this version does not know"}};
    }
    if (source_port > 65'535 || destination_port > 65'535) {
        return tl::unexpected{std::string_view{"a port above 65535"}};
    }
    out.function = static_cast<domain::Function>(function);
    out.action = static_cast<domain::Action>(action);
    out.origin = static_cast<domain::Origin>(origin);
    out.source_port = static_cast<std::uint16_t>(source_port);
    out.destination_port = static_cast<std::uint16_t>(destination_port);
    out.vendor_priority = static_cast<std::int32_t>(vendor_priority);
    return out;
}

Decoded<BlockView> decode_block(std::string_view payload) {
    BlockView out;
    Reader read;
    Scan scan{payload};
    while (scan.next()) {
        switch (scan.field()) {
            case 1: read.text(scan, out.kind); break;
            case 2: read.text(scan, out.key); break;
            case 3: read.text(scan, out.category); break;
            case 4: Reader::micros(scan, out.observed_at_us); break;
            case 5: Reader::count(scan, out.count); break;
            case 6: Reader::micros(scan, out.spooled_at_us); break;
            case 7: Reader::micros(scan, out.clock_offset_us); break;
            default: break;
        }
    }
    if (scan.failed()) {
        return tl::unexpected{not_a_message};
    }
    if (!read.problem.empty()) {
        return tl::unexpected{read.problem};
    }
    if (out.kind != "url" && out.kind != "ip") {
        return tl::unexpected{std::string_view{"a block of a kind that this version does not know"}};
    }
    if (out.key.empty() || out.count == 0 || out.count > most_blocks) {
        return tl::unexpected{std::string_view{"a block without a key, or an impossible count"}};
    }
    return out;
}

Decoded<RejectedView> decode_rejected(std::string_view payload) {
    RejectedView out;
    Reader read;
    Scan scan{payload};
    while (scan.next()) {
        switch (scan.field()) {
            case 1: Reader::raw(scan, out.raw); break;
            case 2: Reader::flag(scan, out.raw_truncated); break;
            case 3: Reader::count(scan, out.raw_size); break;
            case 4: read.text(scan, out.reason); break;
            case 5: read.text(scan, out.source_format); break;
            case 6: read.text(scan, out.source_id); break;
            case 7: Reader::micros(scan, out.spooled_at_us); break;
            default: break;
        }
    }
    if (scan.failed()) {
        return tl::unexpected{not_a_message};
    }
    if (!read.problem.empty()) {
        return tl::unexpected{read.problem};
    }
    return out;
}

}  // namespace mimamori::adapters::wire
