#include "store/gateway_streams.h"

#include <algorithm>

#include <fmt/format.h>

#include "domain/delivery/chain.h"
#include "store/alarms.h"

namespace mimamori::store {

using domain::delivery::Cursor;
using domain::delivery::Lane;
using domain::delivery::LogPosition;
using domain::delivery::StreamStatus;

namespace {

constexpr int good = 0;
constexpr int revoked = 1;

std::array<std::uint8_t, 16> bytes16(const Result& result, int row, int column) {
    const auto bytes = result.bytes(row, column);
    std::array<std::uint8_t, 16> out{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
    return out;
}

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> out;
    while (!list.empty()) {
        const auto comma = std::min(list.find(','), list.size());
        out.emplace_back(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return out;
}

LogPosition position_of(const Result& result, int row, int log_no, int next_offset) {
    return {static_cast<std::uint64_t>(result.integer(row, log_no)), result.integer(row, next_offset)};
}

Cursor cursor_of(const Result& result, int row, int first_column) {
    return {static_cast<std::uint64_t>(result.integer(row, first_column)), bytes16(result, row, first_column + 1),
            static_cast<StreamStatus>(result.integer(row, first_column + 2))};
}

// The rest of open_streams, inside its transaction.
Expected<std::vector<Superseded>> insert_missing(Connection& connection, const Appliance& appliance,
                                                 const SpoolIds& spools, const StreamStates& known) {
    std::vector<Superseded> superseded;
    for (std::size_t i = 0; i < spools.size(); ++i) {
        if (!spools[i] || known.lanes[i]) {
            continue;
        }
        const auto count = connection.run("gateway_count_new_streams", Params{}.id(appliance.rental));
        if (!count) {
            return tl::unexpected{count.error()};
        }
        if (count->integer(0, 0) >= max_new_streams_per_rental_and_day) {
            return base::failure(FailureKind::refused,
                                 fmt::format("rental {} opened {} streams within a day: its spool is made anew again and "
                                             "again, or somebody else has its certificate",
                                             appliance.rental.value, count->integer(0, 0)));
        }
        const auto lane = static_cast<Lane>(i);
        const auto inserted = connection.run("gateway_insert_stream", Params{}
                                                                          .id(appliance.rental)
                                                                          .id(appliance.customer)
                                                                          .integer(static_cast<std::int64_t>(i))
                                                                          .bytes(*spools[i])
                                                                          .bytes(domain::delivery::chain_origin(lane, *spools[i])));
        if (!inserted) {
            return tl::unexpected{inserted.error()};
        }
        if (inserted->empty()) {
            continue;  // another connection of this appliance was first
        }
        const auto old = connection.run("gateway_supersede_streams", Params{}
                                                                         .id(appliance.rental)
                                                                         .integer(static_cast<std::int64_t>(i))
                                                                         .integer(inserted->integer(0, 0)));
        if (!old) {
            return tl::unexpected{old.error()};
        }
        for (int row = 0; row < old->rows(); ++row) {
            superseded.push_back({old->id<base::StreamId>(row, 0), lane, old->integer(row, 1), old->integer(row, 2)});
            const auto& one = superseded.back();
            auto alarm = raise_alarm(
                connection, "stream_superseded", fmt::format("stream {}", one.stream.value),
                fmt::format(
                    "rental {} came with a new spool for lane {}; the stream before stands at {}, {} were assigned",
                    appliance.rental.value, domain::delivery::name_of(lane), one.next_seq, one.last_assigned));
            if (!alarm) {
                return tl::unexpected{alarm.error()};
            }
        }
    }
    return superseded;
}

// The rest of close_forked_stream, inside its transaction.
Expected<Cursor> close_and_state_loss(Connection& connection, base::StreamId stream) {
    const auto closed = connection.run("gateway_close_forked_stream", Params{}.id(stream));
    if (!closed) {
        return tl::unexpected{closed.error()};
    }
    if (!closed->empty()) {
        const auto rental = closed->integer(0, 1);
        const auto next_seq = closed->integer(0, 2);
        const auto last_assigned = closed->integer(0, 3);
        auto stated = connection.run("gateway_add_fork_loss", Params{}
                                                                  .integer(closed->integer(0, 0))
                                                                  .integer(rental)
                                                                  .id(stream)
                                                                  .integer(next_seq)
                                                                  .integer(last_assigned));
        if (!stated) {
            return tl::unexpected{stated.error()};
        }
        auto alarm = raise_alarm(
            connection, "stream_forked", fmt::format("stream {}", stream.value),
            fmt::format(
                "the spool of rental {} came back older than, or other than, what was settled; the stream is closed "
                "at {}, at least {} entries are lost",
                rental, next_seq, std::max<std::int64_t>(last_assigned - (next_seq - 1), 0)));
        if (!alarm) {
            return tl::unexpected{alarm.error()};
        }
    }
    const auto row = connection.run("gateway_cursor", Params{}.id(stream));
    if (!row) {
        return tl::unexpected{row.error()};
    }
    if (row->empty()) {
        return base::failure(FailureKind::refused, fmt::format("no stream {}", stream.value));
    }
    return cursor_of(*row, 0, 0);
}

// begin, `work`, commit; rolled back if `work` fails. An unknown commit is not retried here.
template <class Work>
auto in_transaction(Connection& connection, const Work& work) -> decltype(work()) {
    if (auto begun = connection.begin(); !begun) {
        return tl::unexpected{begun.error()};
    }
    auto result = work();
    if (!result) {
        connection.rollback();
        return result;
    }
    if (auto committed = connection.commit(); !committed) {
        return tl::unexpected{committed.error()};
    }
    return result;
}

}  // namespace

Expected<Appliance> find_appliance(Connection& connection, std::string_view fingerprint) {
    const auto found = connection.run("gateway_find_appliance", Params{}.bytes(fingerprint));
    if (!found) {
        return tl::unexpected{found.error()};
    }
    if (found->empty()) {
        return base::failure(FailureKind::refused, "the certificate is not known: enrol the appliance");
    }
    if (const auto state = found->integer(0, 5); state != good) {
        return base::failure(FailureKind::refused, state == revoked ? "the certificate has been revoked"
                                                                    : "the rental of this certificate does not run");
    }
    return Appliance{found->id<base::CustomerId>(0, 0), found->id<base::SiteId>(0, 1), found->id<base::RentalId>(0, 2),
                     found->id<base::ApplianceId>(0, 3), split(found->text(0, 4))};
}

Expected<std::string> unread_partitions(Connection& connection) {
    return connection.run("gateway_unread_partitions").map([](const Result& row) {
        return std::string{row.text(0, 0)};
    });
}

Expected<std::vector<std::string>> denied_certificates(Connection& connection) {
    return connection.run("gateway_denied_certificates").map([](const Result& found) {
        std::vector<std::string> out;
        for (int row = 0; row < found.rows(); ++row) {
            out.push_back(found.bytes(row, 0));
        }
        return out;
    });
}

Expected<StreamStates> read_streams(Connection& connection, base::RentalId rental, const SpoolIds& spools,
                                    std::int32_t partition) {
    Params params;
    params.id(rental);
    for (const auto& spool : spools) {
        spool ? params.bytes(*spool) : params.null();
    }
    const auto found = connection.run("gateway_streams", params.integer(partition));
    if (!found) {
        return tl::unexpected{found.error()};
    }
    if (found->empty()) {
        return base::failure(FailureKind::refused,
                             fmt::format("log_partitions has no row for partition {}: run `mimamori admin topics create`", partition));
    }
    StreamStates out;
    out.position = position_of(*found, 0, 0, 1);
    for (int row = 0; row < found->rows(); ++row) {
        if (!found->is_null(row, 2)) {
            out.lanes.at(static_cast<std::size_t>(found->integer(row, 2))) =
                StreamState{found->id<base::StreamId>(row, 3), cursor_of(*found, row, 4)};
        }
    }
    return out;
}

Expected<OpenedStreams> open_streams(Connection& connection, const Appliance& appliance, const SpoolIds& spools,
                                     std::int32_t partition) {
    auto states = read_streams(connection, appliance.rental, spools, partition);
    if (!states) {
        return tl::unexpected{states.error()};
    }
    bool complete = true;
    for (std::size_t i = 0; i < spools.size(); ++i) {
        complete = complete && (!spools[i] || states->lanes[i]);
    }
    if (complete) {
        return OpenedStreams{*states, {}};
    }
    auto superseded =
        in_transaction(connection, [&] { return insert_missing(connection, appliance, spools, *states); });
    if (!superseded) {
        return tl::unexpected{superseded.error()};
    }
    return read_streams(connection, appliance.rental, spools, partition).map([&](const StreamStates& now) {
        return OpenedStreams{now, std::move(*superseded)};
    });
}

Expected<void> note_assigned(Connection& connection, base::StreamId stream, domain::delivery::Seq last) {
    return connection.run("gateway_note_assigned", Params{}.id(stream).integer(static_cast<std::int64_t>(last)))
        .map([](const Result&) {});
}

Expected<Cursor> close_forked_stream(Connection& connection, base::StreamId stream) {
    return in_transaction(connection, [&] { return close_and_state_loss(connection, stream); });
}

Expected<domain::delivery::Generation> read_generation(Connection& connection) {
    const auto found = connection.run("database_generation");
    if (!found) {
        return tl::unexpected{found.error()};
    }
    if (found->rows() != 1) {
        return base::failure(FailureKind::refused, "database_identity has no row: the migrations are not complete");
    }
    return bytes16(*found, 0, 0);
}

Expected<std::vector<PartitionPosition>> read_log_positions(Connection& connection) {
    return connection.run("gateway_log_positions").map([](const Result& found) {
        std::vector<PartitionPosition> out;
        for (int row = 0; row < found.rows(); ++row) {
            out.push_back({static_cast<std::int32_t>(found.integer(row, 0)), position_of(found, row, 1, 2)});
        }
        return out;
    });
}

}  // namespace mimamori::store
