// Who owns which partition of the log: lease rows with a random epoch, by PostgreSQL's clock alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "domain/delivery/log_check.h"
#include "domain/delivery/types.h"
#include "domain/partition_share.h"
#include "store/connection.h"

namespace mimamori::store {

using Epoch = base::Bytes16;

struct Lease {  // the right to write to one partition, while the row holds this epoch
    std::int32_t partition = 0;
    Epoch epoch{};
    std::chrono::milliseconds length{};
};

struct LeaseTable {
    domain::delivery::Generation generation{};
    std::size_t live_correlators = 0;  // those that have announced themselves, the caller too
    std::vector<domain::HeldPartition> partitions;  // in order; holder empty: free
};

// Announces this process for as long as `connection` lives. False: the number is taken, choose another.
Expected<bool> announce_correlator(Connection& connection, std::int32_t number);
Expected<LeaseTable> read_leases(Connection& connection);

// False if it is not free, or its row is locked just now.
Expected<bool> take_lease(Connection& connection, const Lease& lease, const std::string& holder);
// Ends the session of a worker whose transaction waits for it `after` its lease has run out. True if there was one.
Expected<bool> end_hanging(Connection& connection, std::int32_t partition, std::chrono::milliseconds after);
// Conflict if somebody else has the partition.
Expected<void> renew_lease(Connection& connection, const Lease& lease);
Expected<void> release_lease(Connection& connection, const Lease& lease);

// Where the partition's log is read from. Conflict if somebody else has the partition.
Expected<domain::delivery::StoredPosition> read_position(Connection& connection, const Lease& lease);

// The first statement of each transaction: renews the lease and sets the position. Empty if somebody else has the
// partition; then nothing may be written.
struct Fenced {
    domain::delivery::Generation generation{};
    std::int64_t newest_pack = 0;  // id of the rule pack loaded last; 0: none
};
Expected<std::optional<Fenced>> fence(Connection& connection, const Lease& lease, const domain::delivery::StoredPosition& after);

}  // namespace mimamori::store
