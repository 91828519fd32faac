// Opens records of the log: envelope, unpacked entries, their digests. Nothing of the entries' payloads is read here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wire/log_record.h"
#include "adapters/wire/unpack.h"
#include "base/time.h"
#include "domain/delivery/applier.h"
#include "domain/delivery/log_check.h"

namespace mimamori::correlator {

struct LogRecord {  // as it stands in the log; the bytes are the caller's
    std::int64_t offset = 0;
    std::string_view value;
};

struct OpenedRecord {
    enum class State {
        readable,
        unreadable,  // not even an envelope
        bad_batch,   // whose it is is known, but the entries cannot be had
    };
    State state = State::readable;
    std::string_view problem;
    std::int64_t offset = 0;
    adapters::wire::LogRecordView view;
    std::vector<adapters::wire::EntryView> entries;
    std::vector<domain::delivery::Hash128> digests;

    domain::delivery::RecordBody body() const;  // of a readable batch or gone

  private:
    friend class RecordReader;
    std::unique_ptr<std::string> unpacked_;  // on the heap, so that views survive a move
};

class RecordReader {
  public:
    static constexpr std::uint32_t most_entries = 100'000;  // of one batch: what a gateway can be set to at most

    OpenedRecord open(const LogRecord& record);

  private:
    adapters::wire::Unpacker unpacker_;
};

// The id of a record: its own, or for one that cannot be read the hash of its bytes.
domain::delivery::RecordId record_id_of(std::string_view value);

// When the gateway received it; 1970 if it cannot be read.
base::Time record_time(const LogRecord& record);

// What a record will take when opened, for cutting polls into transactions.
struct RecordSize {
    std::size_t bytes = 0;
    std::size_t entries = 0;
};
RecordSize size_of(std::string_view value);

}  // namespace mimamori::correlator
