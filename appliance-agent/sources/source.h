// Where detector lines come from, as the agent's loop sees it: bytes are read within a budget, every line becomes at
// most one entry for the spool, and a checkpoint says from where to read again. Not the spool and not a loop: a source
// has no thread and no clock. What a source that listens for syslog can lose is said in syslog_source.h.
//
// Exactly once from a file's line to the spool, also after kill -9:
//   1. A source hands entries out in the order of their lines. `checkpoint()` covers every entry handed out so far and
//      every line that gave none; a line still waiting for its companions is not covered.
//   2. The loop spools the entries together with their positions, syncs, and only then stores the checkpoint that it
//      took right after the same `read_some`. An entry's position must stay in the spool until a stored checkpoint
//      covers it: so store the checkpoint before freeing an entry. Store it also after a call that gave no entry: the
//      first call that finds the file gives none, so that a file rotated away soon after is known from then on.
//   3. At start the source is given the last stored checkpoint and all positions of its entries that are in the spool,
//      in any order. It reads again from the checkpoint and leaves out lines whose position is in that set. Lanes are
//      synced one by one, so a later line may be durable and an earlier one not: hence a set, not a maximum.
//
// Loop:  out.clear(); source.read_some(budget, now, out); mark = source.checkpoint();
//        stamp + number + append every entry of out; sync; store mark.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "base/time.h"
#include "domain/direction.h"

namespace mimamori::agent::sources {

// What a file is recognised by. The inode finds it after a rename; the hash of its first bytes tells whether the inode
// was reused or the file truncated, and finds the copy that `copytruncate` made.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t generation = 0;   // counts the contents this source has followed: rotations and truncations
    std::uint32_t head_length = 0;  // bytes hashed, at most 256; fewer while the file was shorter
    std::uint64_t head_hash = 0;    // XXH3-64 of them
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// Where a line starts. Two entries never share one. Without a file: nowhere, the line cannot be read again.
struct Position {
    std::uint32_t source_index = 0;  // SourceOptions::index
    FileIdentity file;
    std::uint64_t offset = 0;
    friend bool operator==(const Position&, const Position&) = default;
};

// Every line before `offset` of `file`, and every older file, is fully dealt with.
struct Checkpoint {
    FileIdentity file;
    std::uint64_t offset = 0;
    std::int64_t modified_ns = 0;  // the file's last change when it was read: finds the next one if this one is gone
    friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// Fixed little-endian forms for the spool, empty for a position without a file; reading gives nothing if the size or
// version is not ours.
inline constexpr std::size_t position_bytes = 49;
inline constexpr std::size_t checkpoint_bytes = 53;
std::string to_bytes(const Position& position);
std::string to_bytes(const Checkpoint& checkpoint);
std::optional<Position> position_from(std::string_view bytes);
std::optional<Checkpoint> checkpoint_from(std::string_view bytes);

// Numbers are those of uplink.proto's Entry.kind.
enum class EntryKind : std::uint8_t { event = 1, rejected = 2, block = 3 };

// One entry for the spool. `payload` is the serialized Detection, Rejected or Block without spooled_at_us and
// clock_offset_us: `stamp` adds them when the entry is numbered.
struct Produced {
    EntryKind kind = EntryKind::event;
    domain::Function function = domain::Function::unspecified;  // of an event, for the tombstone's class byte
    bool urgent = false;  // which lane: urgent or normal; a block goes to the rollup lane and is never urgent
    std::int64_t observed_at_us = 0;  // for the tombstone's time span; 0 if unknown
    std::string payload;
    Position position;
};

// Appends the agent's times to the payload (microseconds; a field of value 0 is left out).
void stamp(Produced& entry, std::int64_t spooled_at_us, std::int64_t clock_offset_us);

enum class ReadState {
    more,       // the budget ended first: call again at once
    caught_up,  // nothing to read now; entries may still wait for companions: call again within a second
};

// Counters since start; they only grow. `last_trouble` is the newest thing an operator should read, empty if none.
struct SourceStats {
    std::uint64_t bytes = 0;
    std::uint64_t lines = 0;  // framed lines or objects
    std::uint64_t events = 0;
    std::uint64_t blocks = 0;
    std::uint64_t rejected = 0;
    std::uint64_t skipped = 0;                           // well-formed, of no interest (EVE `flow`, `stats`, ...)
    std::map<std::string, std::uint64_t> skipped_kinds;  // of the firewalls' lines, "other" beyond a bound
    std::uint64_t already_spooled = 0;
    std::uint64_t joined = 0;        // detections completed by another event of their flow
    std::uint64_t join_expired = 0;  // sent with what was known when time or space ran out
    std::uint64_t overlong = 0;
    std::uint64_t rotations = 0;
    std::uint64_t truncations = 0;
    std::uint64_t files_lost = 0;  // gone before their end was seen: deleted, compressed or replaced
    std::uint64_t held = 0;        // gauge: entries waiting now
    // Of a source that listens.
    std::uint64_t datagrams_lost = 0;    // dropped by the kernel, because nobody read them in time
    std::uint64_t peers_refused = 0;     // datagrams and connections from addresses that are not allowed
    std::uint64_t connections_over = 0;  // refused, because there were too many
    std::uint64_t connections_idle = 0;  // closed, because nothing came
    std::uint64_t connections = 0;       // gauge: open now
    std::string last_trouble;
};

// Of a source that listens for syslog.
struct ListenOptions {
    bool tcp = false;
    std::string ip;  // in address_text's form
    std::uint16_t port = 0;
    std::vector<domain::AddressRange> allow;  // peers; empty: all
    std::size_t receive_buffer_bytes =
        4 << 20;  // asked of the kernel, which has a limit of its own (net.core.rmem_max)
    std::size_t max_connections = 16;
    std::chrono::milliseconds idle_limit{600'000};  // without a byte a connection is closed
};

struct SourceOptions {
    std::uint32_t index = 0;                          // stands in Position; must stay the same for the same source
    std::string id;                                   // Detection.source_id
    std::string path;                                 // the file to follow
    std::chrono::minutes assumed_utc_offset{9 * 60};  // of timestamps that name no zone
    std::size_t max_line_bytes = 1 << 20;             // a longer line becomes a rejected entry
    // Joining the events of one flow (EVE). Whichever bound is hit first, the detection goes out with what is known.
    std::chrono::milliseconds hold{2000};
    std::size_t max_held = 256;     // detections that wait
    std::size_t max_queued = 1024;  // entries behind one that waits
    std::size_t max_queued_bytes = 1 << 20;
    std::size_t max_flows = 1024;                  // flows whose facts are remembered, the latest
    std::size_t max_flow_bytes = 1 << 20;          // of those facts
    std::size_t warm_up_bytes = 256 << 10;         // read again before the checkpoint at start, for facts only
    std::chrono::milliseconds rotate_grace{1000};  // an old file is left when it has been still for this long
};

class Source {
  public:
    virtual ~Source() = default;

    // Reads at most `max_bytes` and appends what became of them to `out`, and what had waited long enough. `now` is any
    // monotonic time of the agent. A file that is not there yet is caught_up, not a failure.
    // Failure: the file cannot be opened or read (retry), or is no file (refused); entries already appended are good.
    virtual base::Expected<ReadState> read_some(std::size_t max_bytes, base::Time now, std::vector<Produced>& out) = 0;

    // Hands out everything that waits, without its companions: before an orderly stop.
    virtual void release_held(std::vector<Produced>& out) = 0;

    // Covers everything appended to `out` so far. Empty until the file has been seen.
    virtual std::optional<Checkpoint> checkpoint() const = 0;

    // The site's LAN, for urgency and for choosing the LAN-side MAC; private ranges until called.
    virtual void set_lan(std::vector<domain::AddressRange> lan) = 0;

    // Readable when there is something to read, so that the loop need not wait for its next look; -1 if there is none.
    virtual int descriptor() const { return -1; }

    virtual SourceStats stats() const = 0;
    virtual const std::string& id() const = 0;
};

enum class LineFormat { native, suricata_eve, sonicwall, fortigate };
std::string_view name_of(LineFormat format);  // as in Detection.source_format and in the settings: "suricata-eve"

// Follows a log file. `from`: the last stored checkpoint, if any; without one the file is read from its beginning.
// `spooled`: positions of this source's entries found in the spool; those that the checkpoint covers do no harm.
std::unique_ptr<Source> follow_file(LineFormat format, SourceOptions options, std::optional<Checkpoint> from,
                                    const std::vector<Position>& spooled);

// Listens for syslog; `options.path` is only its name in messages.
std::unique_ptr<Source> listen_for_syslog(LineFormat format, SourceOptions options, ListenOptions listen);

}  // namespace mimamori::agent::sources
