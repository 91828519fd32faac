#include "store/correlator_leases.h"

#include <algorithm>

#include <fmt/format.h>

namespace mimamori::store {
namespace {

constexpr std::int64_t announcement_class = 0x6D696D61;

base::Bytes16 bytes16(const Result& result, int row, int column) {
    const auto bytes = result.bytes(row, column);
    base::Bytes16 out{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
    return out;
}

tl::unexpected<Failure> lost(const Lease& lease) {
    return base::failure(FailureKind::conflict, fmt::format("another correlator has partition {}", lease.partition));
}

Expected<void> one_row(const Expected<Result>& result, const Lease& lease) {
    if (!result) {
        return tl::unexpected{result.error()};
    }
    if (result->affected() != 1) {
        return lost(lease);
    }
    return {};
}

}  // namespace

Expected<bool> announce_correlator(Connection& connection, std::int32_t number) {
    return connection.run("correlator_announce", Params{}.integer(announcement_class).integer(number))
        .map([](const Result& result) { return result.boolean(0, 0); });
}

Expected<LeaseTable> read_leases(Connection& connection) {
    return connection.run("correlator_partitions", Params{}.integer(announcement_class)).map([](const Result& result) {
        LeaseTable table;
        for (int row = 0; row < result.rows(); ++row) {
            table.live_correlators = static_cast<std::size_t>(result.integer(row, 0));
            table.generation = bytes16(result, row, 3);
            if (const auto partition = result.integer_or_null(row, 1)) {
                table.partitions.push_back({static_cast<std::int32_t>(*partition), std::string{result.text(row, 2)}});
            }
        }
        return table;
    });
}

Expected<bool> take_lease(Connection& connection, const Lease& lease, const std::string& holder) {
    return connection
        .run("correlator_take",
             Params{}.integer(lease.partition).bytes(lease.epoch).text(holder).integer(lease.length.count()))
        .map([](const Result& result) { return !result.empty(); });
}

Expected<bool> end_hanging(Connection& connection, std::int32_t partition, std::chrono::milliseconds after) {
    return connection.run("correlator_end_hanging", Params{}.integer(partition).integer(after.count()))
        .map([](const Result& result) { return result.integer(0, 0) > 0; });
}

Expected<void> renew_lease(Connection& connection, const Lease& lease) {
    return one_row(connection.run("correlator_renew",
                                  Params{}.integer(lease.partition).bytes(lease.epoch).integer(lease.length.count())),
                   lease);
}

Expected<void> release_lease(Connection& connection, const Lease& lease) {
    return connection.run("correlator_release", Params{}.integer(lease.partition).bytes(lease.epoch))
        .map([](const Result&) {});
}

Expected<domain::delivery::StoredPosition> read_position(Connection& connection, const Lease& lease) {
    auto result = connection.run("correlator_position", Params{}.integer(lease.partition).bytes(lease.epoch));
    if (!result) {
        return tl::unexpected{result.error()};
    }
    if (result->empty()) {
        return lost(lease);
    }
    domain::delivery::StoredPosition out;
    out.position = {static_cast<std::uint64_t>(result->integer(0, 0)), result->integer(0, 1)};
    if (!result->is_null(0, 2)) {
        out.last_record = bytes16(*result, 0, 2);
    }
    return out;
}

Expected<std::optional<Fenced>> fence(Connection& connection, const Lease& lease, const domain::delivery::StoredPosition& after) {
    Params params;
    params.integer(lease.partition).bytes(lease.epoch).integer(lease.length.count());
    params.integer(static_cast<std::int64_t>(after.position.log_no)).integer(after.position.next_offset);
    after.last_record ? params.bytes(*after.last_record) : params.null();
    auto result = connection.run("correlator_fence", params);
    if (!result) {
        return tl::unexpected{result.error()};
    }
    if (result->empty()) {
        return std::nullopt;
    }
    return Fenced{bytes16(*result, 0, 0), result->integer(0, 1)};
}

}  // namespace mimamori::store
