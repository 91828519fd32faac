#include "adapters/wire/log_record.h"

#include <cstring>

#include "adapters/wire/scan.h"

namespace mimamori::adapters::wire {
namespace {

using Problem = std::string_view;
constexpr Problem no_problem;
constexpr Problem not_a_message = "the bytes are no protobuf message";
constexpr Problem bad_size = "an id or hash that is not of 16 bytes";
constexpr Problem doubled = "a part of the record is there twice";

// Largest sequence the database can count.
constexpr std::uint64_t largest_seq = INT64_MAX - 1;

bool take16(std::string_view bytes, std::array<std::uint8_t, 16>& out) {
    if (bytes.size() != out.size()) {
        return false;
    }
    std::memcpy(out.data(), bytes.data(), out.size());
    return true;
}

Problem read_packed(std::string_view bytes, PackedView& out) {
    Scan scan{bytes};
    while (scan.next()) {
        switch (scan.field()) {
            case 1:
                if (scan.is_bytes()) {
                    out.data = scan.bytes();
                }
                break;
            case 2:
                if (scan.is_number()) {
                    out.zstd = scan.number() != 0;
                }
                break;
            case 3:
                if (scan.is_number()) {
                    out.raw_size = scan.low();
                }
                break;
            case 4:
                if (scan.is_number()) {
                    out.count = scan.low();
                }
                break;
            default: break;
        }
    }
    return scan.failed() ? not_a_message : no_problem;
}

Problem read_tombstone(std::string_view bytes, TombstoneView& out) {
    Scan scan{bytes};
    std::string_view h_after;
    while (scan.next()) {
        switch (scan.field()) {
            case 1:
                if (scan.is_number()) {
                    out.oldest_observed_us = scan.zigzag();
                }
                break;
            case 2:
                if (scan.is_number()) {
                    out.newest_observed_us = scan.zigzag();
                }
                break;
            case 3:
                if (scan.is_bytes()) {
                    out.digests = scan.bytes();
                }
                break;
            case 4:
                if (scan.is_bytes()) {
                    out.classes = scan.bytes();
                }
                break;
            case 5:
                if (scan.is_bytes()) {
                    h_after = scan.bytes();
                }
                break;
            default: break;
        }
    }
    if (scan.failed()) {
        return not_a_message;
    }
    return out.digests.empty() && !take16(h_after, out.h_after) ? bad_size : no_problem;
}

// Batch and Gone share their first numbers: lane, spool id, run, first, last and a hash.
Problem read_range(std::string_view bytes, bool is_batch, LogRecordView& out) {
    Scan scan{bytes};
    std::uint32_t lane = 0;
    std::string_view spool_id, hash, body;
    std::uint32_t body_field = 0;
    while (scan.next()) {
        switch (scan.field()) {
            case 1:
                if (scan.is_number()) {
                    lane = scan.low();
                }
                break;
            case 2:
                if (scan.is_bytes()) {
                    spool_id = scan.bytes();
                }
                break;
            case 4:
                if (scan.is_number()) {
                    out.first = scan.number();
                }
                break;
            case 5:
                if (scan.is_number()) {
                    out.last = scan.number();
                }
                break;
            case 6:
                if (scan.is_bytes()) {
                    hash = scan.bytes();
                }
                break;
            case 7:
            case 8:
                if (is_batch && scan.is_bytes()) {
                    if (body_field != 0) {
                        return doubled;
                    }
                    body_field = scan.field();
                    body = scan.bytes();
                }
                break;
            default: break;
        }
    }
    if (scan.failed()) {
        return not_a_message;
    }
    if (lane >= domain::delivery::lane_count) {
        return "no such lane";
    }
    out.lane = static_cast<domain::delivery::Lane>(lane);
    if (!take16(spool_id, out.spool_id) || !take16(hash, out.hash)) {
        return bad_size;
    }
    if (out.first < 1 || out.last < out.first || out.last > largest_seq) {
        return "an impossible range";
    }
    if (!is_batch) {
        out.body = Body::gone;
        return no_problem;
    }
    if (body_field == 0) {
        return "a batch without entries";
    }
    out.body = body_field == 7 ? Body::entries : Body::tombstone;
    return body_field == 7 ? read_packed(body, out.entries) : read_tombstone(body, out.tombstone);
}

}  // namespace

Decoded<LogRecordView> decode_log_record(std::string_view bytes) {
    LogRecordView out;
    Scan scan{bytes};
    std::string_view record_id, body;
    std::uint32_t body_field = 0;
    while (scan.next()) {
        switch (scan.field()) {
            case 1:
                if (scan.is_bytes()) {
                    record_id = scan.bytes();
                }
                break;
            case 2:
                if (scan.is_number()) {
                    out.customer.value = static_cast<std::int64_t>(scan.number());
                }
                break;
            case 4:
                if (scan.is_number()) {
                    out.rental.value = static_cast<std::int64_t>(scan.number());
                }
                break;
            case 7:
                if (scan.is_number()) {
                    out.received_at_us = scan.zigzag();
                }
                break;
            case 8:
                if (scan.is_number()) {
                    out.clock_offset_us = scan.zigzag();
                }
                break;
            case 9:
            case 10:
            case 11:
                if (scan.is_bytes()) {
                    if (body_field != 0) {
                        return tl::unexpected{doubled};
                    }
                    body_field = scan.field();
                    body = scan.bytes();
                }
                break;
            default: break;
        }
    }
    if (scan.failed()) {
        return tl::unexpected{not_a_message};
    }
    if (!take16(record_id, out.record_id)) {
        return tl::unexpected{bad_size};
    }
    if (body_field == 0) {
        return tl::unexpected{Problem{"a record without a body"}};
    }
    if (body_field == 11) {
        Scan tick{body};  // empty, but a later version may say more
        while (tick.next()) {
        }
        return tick.failed() ? Decoded<LogRecordView>{tl::unexpected{not_a_message}} : out;
    }
    if (const auto problem = read_range(body, body_field == 9, out); !problem.empty()) {
        return tl::unexpected{problem};
    }
    return out;
}

Decoded<void> decode_entries(std::string_view list, std::uint32_t count, std::vector<EntryView>& out) {
    out.clear();
    Scan scan{list};
    while (scan.next()) {
        if (scan.field() != 1 || !scan.is_bytes()) {
            continue;
        }
        if (out.size() == count) {
            return tl::unexpected{Problem{"more entries than declared"}};
        }
        auto& entry = out.emplace_back();
        Scan inside{scan.bytes()};
        while (inside.next()) {
            if (inside.field() == 1 && inside.is_number()) {
                entry.kind = inside.low();
            } else if (inside.field() == 2 && inside.is_bytes()) {
                entry.payload = inside.bytes();
            } else if (inside.field() == 3 && inside.is_bytes()) {
                if (entry.suspect) {
                    return tl::unexpected{doubled};
                }
                entry.suspect = true;
                std::string_view old_spool;
                Scan suspect{inside.bytes()};
                while (suspect.next()) {
                    if (suspect.field() == 1 && suspect.is_bytes()) {
                        old_spool = suspect.bytes();
                    } else if (suspect.field() == 2 && suspect.is_number()) {
                        entry.suspect_of.seq = suspect.number();
                    }
                }
                if (suspect.failed()) {
                    return tl::unexpected{not_a_message};
                }
                if (!take16(old_spool, entry.suspect_of.spool_id)) {
                    return tl::unexpected{bad_size};
                }
            }
        }
        if (inside.failed()) {
            return tl::unexpected{not_a_message};
        }
    }
    if (scan.failed()) {
        return tl::unexpected{not_a_message};
    }
    if (out.size() != count) {
        return tl::unexpected{Problem{"fewer entries than declared"}};
    }
    return {};
}

}  // namespace mimamori::adapters::wire
