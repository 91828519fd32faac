// The words of one transaction of the correlator: what came in, where its streams stand, what was taken of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "correlator/record_reader.h"
#include "base/random.h"
#include "correlator/rentals.h"
#include "domain/delivery/applier.h"
#include "platform/events.h"
#include "store/correlator_store.h"

namespace mimamori::correlator {

namespace delivery = domain::delivery;

struct PollStream {
    store::StoredStream stored;     // as read and locked
    delivery::Cursor now;           // after what was applied so far
    delivery::Counters added;
    delivery::Seq last_named = 0;
    base::Bytes16 uuid{};           // namespace of its detections
    const Rental* rental = nullptr;
};

// An entry from next_seq on, of a batch that continues the chain.
struct TakenEntry {
    std::uint32_t record = 0;  // into the poll's records
    std::uint32_t index = 0;   // into the record's entries
    std::uint32_t stream = 0;  // into the poll's streams
    delivery::Seq seq = 0;
};

// Entries that PostgreSQL refuses by themselves, with its reason: they go to quarantine.
using Unstorable = std::map<std::pair<store::StreamKey, delivery::Seq>, std::string>;

// An alarm to be raised in the transaction and told after it.
struct PendingAlarm {
    const platform::Event* event;
    std::string subject, detail;
    std::string trace;  // id of the record's trace, as in its headers; empty: not about one record
};

struct Poll {
    std::vector<OpenedRecord> records;
    std::vector<PollStream> streams;
    std::vector<TakenEntry> taken;
    std::vector<store::Loss> losses;
    std::vector<PendingAlarm> alarms;
    std::uint64_t gaps = 0;  // batches that came before what lies between
    std::uint64_t old = 0;   // batches that were applied before

    // At most one alarm of a kind and subject, and a bounded number of them. `about`: the record that gave rise to it.
    void alarm(const platform::Event& event, std::string subject, std::string detail,
               const OpenedRecord* about = nullptr);
    static constexpr std::size_t most_alarms = 200;
};

}  // namespace mimamori::correlator
