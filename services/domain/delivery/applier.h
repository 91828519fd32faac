// The correlator's decisions about one record of the log: what of it is new, whether it continues what is stored, where
// the cursor goes. Pure; reading cursors and writing rows in one transaction is the role's business.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "domain/delivery/types.h"

namespace mimamori::domain::delivery {

// A record's body without its payloads. All ranges are first..last, both included.
struct RecordBody {
    enum class Kind {
        entries,    // a digest for each entry
        tombstone,  // given up for space: a digest for each entry
        damaged,    // a segment that could not be read: no digests, but H after `last`
        gone,       // no longer held by the agent: H after `last`
    };
    Kind kind = Kind::entries;
    Seq first = 1, last = 0;
    Hash128 h_before{};                  // H before `first`; not of gone
    std::span<const Hash128> digests{};  // last - first + 1 of them, for entries and tombstone
    Hash128 h_after{};                   // of damaged and gone
};

struct Application {
    enum class Decision {
        skip_closed,   // the stream is closed: nothing more is applied to it
        skip_old,      // everything in it is accounted for already
        gap,           // what lies between is not here (yet): do not advance; the gateway will ask for a rewind
        malformed,     // not even a range: quarantine the record, do not advance
        close_stream,  // it does not continue what is stored: two histories under one name
        apply,         // apply from..last, then the cursor is `after`
    };
    enum class Note {
        none,
        unverified_past,  // a damaged range that begins before the cursor: accepted with an alarm
        damaged,          // entries lost in the agent's spool: alarm
        gone,             // entries the agent no longer holds: alarm, legal only after a restored backup
    };
    Decision decision = Decision::skip_old;
    Note note = Note::none;
    Seq from = 0;  // with apply: first entry to apply
    Cursor after{};
};

// What to do with `body`, given the stream's cursor as read in the transaction.
Application decide(const Cursor& cursor, const RecordBody& body);

// What becomes of one entry that is applied; each is a counter of the stream.
enum class Outcome : std::uint8_t { detection, block, skipped, rejected, quarantined, tombstoned, gone };

// An entry moved from a forked stream is skipped if the row at its old place has the same digest.
// `stored_digest`: of the row at (old spool id, old seq) under the same rental and lane, if there is one.
bool is_repeated(const Hash128& digest, const std::optional<Hash128>& stored_digest);

// A stream's counters; their sum is next_seq - 1, always.
struct Counters {
    std::uint64_t detections = 0, blocks = 0, skipped = 0, rejected = 0, quarantined = 0, tombstoned = 0, gone = 0;
    void add(Outcome outcome, std::uint64_t count = 1);
    std::uint64_t sum() const { return detections + blocks + skipped + rejected + quarantined + tombstoned + gone; }
};

// How a transaction ended, and what the worker does then.
enum class CommitEnd { committed, failed, unknown, fenced };
enum class AfterCommit {
    publish_progress,       // and go on with the next poll
    reload,                 // discard memory, read position and cursors from PostgreSQL again
    give_up_the_partition,  // somebody else holds the lease: stop at once
};
AfterCommit after_commit(CommitEnd end);

}  // namespace mimamori::domain::delivery
