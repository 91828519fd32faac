// What the spool's tests share: small spools on a simulated disk, and what must hold of one whatever happened before.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "agent/spool/simulated_disk.h"
#include "appliance-agent/spool/spool.h"
#include "domain/delivery/chain.h"

namespace mimamori::agent::spool {

using delivery::Lane;  // which one; its files are LaneFiles
inline constexpr std::array all_lanes{Lane::urgent, Lane::normal, Lane::rollup};

inline SpoolSettings small_spool() {
    return {.folder = "/spool", .max_bytes = 1U << 20U, .lane = {.segment_bytes = 1500, .segment_entries = 32}};
}

inline Entry entry_of(const std::string& payload, const std::string& position = {}) {
    Entry entry;
    entry.class_byte = 1;
    entry.observed_at_us = 1'000'000 + static_cast<std::int64_t>(payload.size());
    entry.payload = payload;
    entry.position = position;
    return entry;
}

inline bool everything(std::string_view) {
    return true;
}

inline std::unique_ptr<Spool> open_spool(FileSystem& disk, const SpoolSettings& settings = small_spool(),
                                         const Spool::IsCovered& is_covered = everything) {
    std::vector<std::string> notes;
    auto spool = Spool::open(disk, settings, is_covered, notes);
    INFO((spool ? std::string{} : spool.error().what));
    REQUIRE(spool);
    return std::move(*spool);
}

inline void add_and_commit(Spool& spool, Lane lane, const std::vector<std::string>& payloads) {
    for (const auto& payload : payloads) {
        REQUIRE(spool.add(lane, entry_of(payload)));
    }
    const auto done = spool.commit(1);
    INFO((done ? std::string{} : done.error().what));
    REQUIRE(done);
    REQUIRE(*done == Spool::Commit::done);
    spool.cover(everything);
}

// Everything held, read piece by piece as the uplink does; checks that the chain goes through all of it.
struct Held {
    std::map<Seq, std::string> payloads;
    std::map<Seq, std::optional<delivery::SuspectOf>> suspects;
    std::vector<std::pair<Seq, Seq>> tombstones, damaged;
};
inline Held read_all(Spool& spool, Lane lane, std::size_t max_entries = 7) {
    Held out;
    const auto& view = spool.lane(lane);
    auto h = view.h_before(view.first());
    for (auto from = view.first(); from <= view.last_durable();) {
        auto piece =
            spool.read(lane, from, {.max_entries = max_entries, .max_payload_bytes = 4000, .max_tombstone_entries = 5});
        INFO((piece ? std::string{} : piece.error().what));
        REQUIRE(piece);
        REQUIRE(piece->first == from);
        REQUIRE(piece->last >= from);
        if (piece->kind != Piece::Kind::damaged) {
            REQUIRE(piece->h_before == h);
        }
        auto seq = from;
        auto expected = piece->h_before;
        for (const auto& entry : piece->entries) {
            REQUIRE(entry.digest == delivery::digest_of(entry.kind, entry.payload));
            expected = delivery::chain_next(expected, seq, entry.digest);
            out.suspects[seq] = entry.suspect;
            out.payloads[seq++] = entry.payload;
        }
        if (piece->kind == Piece::Kind::tombstone) {
            REQUIRE(piece->tombstone.digests.size() == 16 * (piece->last - piece->first + 1));
            REQUIRE(piece->tombstone.classes.size() == piece->last - piece->first + 1);
            expected = delivery::chain_over(expected, from, digests_of(piece->tombstone.digests));
            out.tombstones.emplace_back(piece->first, piece->last);
        } else if (piece->kind == Piece::Kind::damaged) {
            expected = piece->h_after;
            out.damaged.emplace_back(piece->first, piece->last);
        }
        REQUIRE(piece->h_after == expected);
        h = expected;
        from = piece->last + 1;
    }
    REQUIRE(view.h_before(view.last_durable() + 1) == h);
    return out;
}

inline std::vector<std::string> payloads_of(const Held& held) {
    std::vector<std::string> out;
    for (const auto& [seq, payload] : held.payloads) {
        out.push_back(payload);
    }
    return out;
}

inline std::vector<std::string> numbered(int first, int last, std::size_t padding = 0) {
    std::vector<std::string> out;
    for (int i = first; i <= last; ++i) {
        out.push_back(fmt::format("entry {:04} {}", i, std::string(padding, '.')));
    }
    return out;
}

inline std::vector<std::string> segments_of(const SimulatedDisk& disk, std::string_view lane) {
    std::vector<std::string> out;
    for (const auto& path : disk.paths()) {
        if (path.ends_with(".seg") && path.find(fmt::format("/{}/", lane)) != std::string::npos) {
            out.push_back(path);
        }
    }
    return out;
}

}  // namespace mimamori::agent::spool
