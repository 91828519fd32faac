#include "store/correlator_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "domain/delivery/chain.h"

namespace mimamori::store {
namespace {

using domain::delivery::Hash128;

// One column of an array statement: what `get` says of each row.
template <class Rows, class Get>
std::vector<std::int64_t> numbers(const Rows& rows, const Get& get) {
    std::vector<std::int64_t> out;
    out.reserve(rows.size());
    for (const auto& row : rows) {
        out.push_back(static_cast<std::int64_t>(get(row)));
    }
    return out;
}
template <class Rows, class Get>
std::vector<std::string> texts(const Rows& rows, const Get& get) {
    std::vector<std::string> out;
    out.reserve(rows.size());
    for (const auto& row : rows) {
        out.emplace_back(get(row));
    }
    return out;
}

std::string text16(const std::array<std::uint8_t, 16>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Hash128 bytes16(const Result& result, int row, int column) {
    const auto bytes = result.bytes(row, column);
    Hash128 out{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), out.size()), out.begin());
    return out;
}

std::size_t position(const Result& result, int row) {  // `with ordinality` counts from 1
    return static_cast<std::size_t>(result.integer(row, 0)) - 1;
}

Expected<void> done(const Expected<Result>& result) {
    if (!result) {
        return tl::unexpected{result.error()};
    }
    return {};
}

template <class Row, class Read>
Expected<std::vector<Row>> rows_of(const Expected<Result>& result, const Read& read) {
    if (!result) {
        return tl::unexpected{result.error()};
    }
    std::vector<Row> out;
    out.reserve(static_cast<std::size_t>(result->rows()));
    for (int row = 0; row < result->rows(); ++row) {
        out.push_back(read(*result, row));
    }
    return out;
}

// Three columns that name streams.
template <class Rows, class Get>
void stream_columns(Params& params, const Rows& rows, const Get& key) {
    params.integers(numbers(rows, [&](const auto& row) { return key(row).rental.value; }));
    params.integers(numbers(rows, [&](const auto& row) { return key(row).lane; }));
    params.byte_strings(texts(rows, [&](const auto& row) { return text16(key(row).spool_id); }));
}

}  // namespace

Expected<std::vector<StoredStream>> find_streams(Connection& connection, const std::vector<StreamKey>& keys) {
    Params params;
    stream_columns(params, keys, [](const StreamKey& key) { return key; });
    return rows_of<StoredStream>(connection.run("correlator_streams", params), [](const Result& r, int row) {
        StoredStream out;
        out.id = r.id<base::StreamId>(row, 0);
        out.key.rental = r.id<base::RentalId>(row, 1);
        out.customer = r.id<base::CustomerId>(row, 2);
        out.key.lane = static_cast<domain::delivery::Lane>(r.integer(row, 3));
        out.key.spool_id = bytes16(r, row, 4);
        out.cursor = {static_cast<domain::delivery::Seq>(r.integer(row, 5)), bytes16(r, row, 6),
                      static_cast<domain::delivery::StreamStatus>(r.integer(row, 7))};
        out.last_assigned = static_cast<domain::delivery::Seq>(r.integer(row, 8));
        return out;
    });
}

Expected<void> insert_streams(Connection& connection, const std::vector<NewStream>& streams) {
    Params params;
    params.integers(numbers(streams, [](const auto& s) { return s.key.rental.value; }));
    params.integers(numbers(streams, [](const auto& s) { return s.customer.value; }));
    params.integers(numbers(streams, [](const auto& s) { return s.key.lane; }));
    params.byte_strings(texts(streams, [](const auto& s) { return text16(s.key.spool_id); }));
    params.byte_strings(
        texts(streams, [](const auto& s) { return text16(domain::delivery::chain_origin(s.key.lane, s.key.spool_id)); }));
    return done(connection.run("correlator_insert_streams", params));
}

Expected<void> move_streams(Connection& connection, const std::vector<StreamMove>& moves) {
    Params params;
    params.integers(numbers(moves, [](const auto& m) { return m.id.value; }));
    params.integers(numbers(moves, [](const auto& m) { return m.from.next_seq; }));
    params.byte_strings(texts(moves, [](const auto& m) { return text16(m.from.h); }));
    params.integers(numbers(moves, [](const auto& m) { return m.to.next_seq; }));
    params.byte_strings(texts(moves, [](const auto& m) { return text16(m.to.h); }));
    params.integers(numbers(moves, [](const auto& m) { return m.to.status; }));
    params.integers(numbers(moves, [](const auto& m) { return m.last_named; }));
    params.integers(numbers(moves, [](const auto& m) { return m.added.detections; }));
    params.integers(numbers(moves, [](const auto& m) { return m.added.blocks; }));
    params.integers(numbers(moves, [](const auto& m) { return m.added.skipped; }));
    params.integers(numbers(moves, [](const auto& m) { return m.added.rejected; }));
    params.integers(numbers(moves, [](const auto& m) { return m.added.quarantined; }));
    params.integers(numbers(moves, [](const auto& m) { return m.added.tombstoned; }));
    params.integers(numbers(moves, [](const auto& m) { return m.added.gone; }));
    auto result = connection.run("correlator_move_streams", params);
    if (result && result->affected() != static_cast<std::int64_t>(moves.size())) {
        return base::failure(FailureKind::conflict, "a stream's cursor is not where it was read");
    }
    return done(result);
}

Expected<void> add_losses(Connection& connection, const std::vector<Loss>& losses) {
    // A time that is not known is told by null, which an array of numbers cannot hold: one statement a loss; losses are rare.
    for (const auto& loss : losses) {
        std::string by_function = "{";
        for (const auto count : loss.by_function) {
            by_function += (by_function.size() > 1 ? "," : "") + std::to_string(count);
        }
        Params params;
        params.id(loss.customer).id(loss.rental).id(loss.stream).text(loss.kind);
        params.integer(static_cast<std::int64_t>(loss.first)).integer(static_cast<std::int64_t>(loss.last)).boolean(loss.at_least);
        loss.oldest ? params.time(*loss.oldest) : params.null();
        loss.newest ? params.time(*loss.newest) : params.null();
        params.integer(loss.urgent).text(by_function + "}");
        if (auto added = done(connection.run("correlator_add_loss", params)); !added) {
            return added;
        }
    }
    return {};
}

Expected<std::vector<RentalSite>> read_rentals(Connection& connection, const std::vector<base::RentalId>& rentals) {
    Params params;
    params.integers(numbers(rentals, [](const auto& r) { return r.value; }));
    return rows_of<RentalSite>(connection.run("correlator_rentals", params), [](const Result& r, int row) {
        return RentalSite{r.id<base::RentalId>(row, 0), r.id<base::CustomerId>(row, 1), r.id<base::SiteId>(row, 2),
                          r.id<base::ApplianceId>(row, 3), std::string{r.text(row, 4)}};
    });
}

Expected<std::vector<StoredDigest>> read_moved(Connection& connection, const std::vector<MovedEntry>& entries) {
    Params params;
    stream_columns(params, entries, [](const MovedEntry& entry) { return entry.first_stream; });
    params.integers(numbers(entries, [](const auto& e) { return e.seq; }));
    return rows_of<StoredDigest>(connection.run("correlator_moved", params), [](const Result& r, int row) {
        return StoredDigest{position(r, row), bytes16(r, row, 1)};
    });
}

Expected<void> add_moved(Connection& connection, const std::vector<MovedEntry>& entries) {
    Params params;
    stream_columns(params, entries, [](const MovedEntry& entry) { return entry.first_stream; });
    params.integers(numbers(entries, [](const auto& e) { return e.seq; }));
    params.integers(numbers(entries, [](const auto& e) { return e.customer.value; }));
    params.byte_strings(texts(entries, [](const auto& e) { return text16(e.digest); }));
    params.integers(numbers(entries, [](const auto& e) { return base::to_us(e.received); }));
    return done(connection.run("correlator_add_moved", params));
}

Expected<std::vector<NewestFinding>> read_findings(Connection& connection, const std::vector<FindingKey>& keys) {
    Params params;
    params.integers(numbers(keys, [](const auto& k) { return k.customer.value; }));
    params.texts(texts(keys, [](const auto& k) { return k.device_key; }));
    params.texts(texts(keys, [](const auto& k) { return k.class_id; }));
    return rows_of<NewestFinding>(connection.run("correlator_findings", params), [](const Result& r, int row) {
        return NewestFinding{position(r, row),
                             {r.id<base::FindingId>(row, 1), static_cast<domain::Severity>(r.integer(row, 2)), r.time(row, 3),
                              r.boolean(row, 4)}};
    });
}

Expected<std::vector<TakenNumbers>> take_finding_numbers(Connection& connection, const std::vector<base::CustomerId>& customers,
                                                         const std::vector<std::int64_t>& counts) {
    Params params;
    params.integers(numbers(customers, [](const auto& c) { return c.value; })).integers(counts);
    return rows_of<TakenNumbers>(connection.run("correlator_take_numbers", params), [](const Result& r, int row) {
        return TakenNumbers{r.id<base::CustomerId>(row, 0), r.integer(row, 1)};
    });
}

Expected<std::vector<base::FindingId>> insert_findings(Connection& connection, const std::vector<NewFinding>& findings) {
    Params params;
    params.integers(numbers(findings, [](const auto& f) { return f.details.customer.value; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.site.value; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.rental.value; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.appliance.value; }));
    params.texts(texts(findings, [](const auto& f) { return f.device_key; }));
    params.texts(texts(findings, [](const auto& f) { return f.class_id; }));
    params.texts(texts(findings, [](const auto& f) { return f.alert_id; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.severity; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.function; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.direction; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.action; }));
    params.texts(texts(findings, [](const auto& f) { return f.details.name; }));
    params.texts(texts(findings, [](const auto& f) { return f.details.source_ip; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.source_port; }));
    params.texts(texts(findings, [](const auto& f) { return f.details.destination_ip; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.destination_port; }));
    params.texts(texts(findings, [](const auto& f) { return f.details.lan_mac; }));
    params.integers(numbers(findings, [](const auto& f) { return f.details.pack_id; }));
    params.texts(texts(findings, [](const auto& f) { return f.details.rule_id; }));
    params.integers(numbers(findings, [](const auto& f) { return f.count.detections; }));
    params.integers(numbers(findings, [](const auto& f) { return base::to_us(f.details.observed); }));
    params.integers(numbers(findings, [](const auto& f) { return base::to_us(f.count.first); }));
    params.integers(numbers(findings, [](const auto& f) { return base::to_us(f.count.last); }));
    params.integers(numbers(findings, [](const auto& f) { return base::to_us(f.count.received); }));
    auto ids = rows_of<base::FindingId>(connection.run("correlator_insert_findings", params),
                                        [](const Result& r, int row) { return r.id<base::FindingId>(row, 0); });
    if (ids && ids->size() != findings.size()) {
        return base::failure(FailureKind::conflict, "not every finding was inserted");
    }
    return ids;
}

Expected<void> count_findings(Connection& connection, const std::vector<base::FindingId>& ids,
                              const std::vector<FindingCount>& counts) {
    Params params;
    params.integers(numbers(ids, [](const auto& id) { return id.value; }));
    params.integers(numbers(counts, [](const auto& c) { return c.detections; }));
    params.integers(numbers(counts, [](const auto& c) { return base::to_us(c.first); }));
    params.integers(numbers(counts, [](const auto& c) { return base::to_us(c.last); }));
    params.integers(numbers(counts, [](const auto& c) { return base::to_us(c.received); }));
    return done(connection.run("correlator_count_findings", params));
}

Expected<void> raise_findings(Connection& connection, const std::vector<base::FindingId>& ids,
                              const std::vector<FindingDetails>& details) {
    Params params;
    params.integers(numbers(ids, [](const auto& id) { return id.value; }));
    params.integers(numbers(details, [](const auto& d) { return d.site.value; }));
    params.integers(numbers(details, [](const auto& d) { return d.rental.value; }));
    params.integers(numbers(details, [](const auto& d) { return d.appliance.value; }));
    params.integers(numbers(details, [](const auto& d) { return d.severity; }));
    params.integers(numbers(details, [](const auto& d) { return d.function; }));
    params.integers(numbers(details, [](const auto& d) { return d.direction; }));
    params.integers(numbers(details, [](const auto& d) { return d.action; }));
    params.texts(texts(details, [](const auto& d) { return d.name; }));
    params.texts(texts(details, [](const auto& d) { return d.source_ip; }));
    params.integers(numbers(details, [](const auto& d) { return d.source_port; }));
    params.texts(texts(details, [](const auto& d) { return d.destination_ip; }));
    params.integers(numbers(details, [](const auto& d) { return d.destination_port; }));
    params.texts(texts(details, [](const auto& d) { return d.lan_mac; }));
    params.integers(numbers(details, [](const auto& d) { return d.pack_id; }));
    params.texts(texts(details, [](const auto& d) { return d.rule_id; }));
    params.integers(numbers(details, [](const auto& d) { return base::to_us(d.observed); }));
    return done(connection.run("correlator_raise_findings", params));
}

Expected<void> add_mail_items(Connection& connection, const std::vector<MailItem>& items) {
    Params params;
    params.integers(numbers(items, [](const auto& i) { return i.customer.value; }));
    params.integers(numbers(items, [](const auto& i) { return i.finding.value; }));
    params.integers(numbers(items, [](const auto& i) { return i.severity; }));
    params.texts(texts(items, [](const auto& i) { return domain::name_of(i.kind); }));
    params.integers(numbers(items, [](const auto& i) { return i.count.detections; }));
    params.integers(numbers(items, [](const auto& i) { return base::to_us(i.count.first); }));
    params.integers(numbers(items, [](const auto& i) { return base::to_us(i.count.last); }));
    return done(connection.run("correlator_add_mail_items", params));
}

Expected<std::vector<StoredSign>> read_signs(Connection& connection, const std::vector<DeviceRange>& devices) {
    Params params;
    params.integers(numbers(devices, [](const auto& d) { return d.customer.value; }));
    params.texts(texts(devices, [](const auto& d) { return d.device_key; }));
    params.integers(numbers(devices, [](const auto& d) { return base::to_us(d.since); }));
    params.integers(numbers(devices, [](const auto& d) { return base::to_us(d.until); }));
    return rows_of<StoredSign>(connection.run("correlator_signs", params), [](const Result& r, int row) {
        return StoredSign{position(r, row), std::string{r.text(row, 1)}, r.time(row, 2)};
    });
}

Expected<void> add_signs(Connection& connection, const std::vector<NewSign>& signs) {
    Params params;
    params.integers(numbers(signs, [](const auto& s) { return s.customer.value; }));
    params.texts(texts(signs, [](const auto& s) { return s.device_key; }));
    params.texts(texts(signs, [](const auto& s) { return s.sign; }));
    params.integers(numbers(signs, [](const auto& s) { return base::to_us(s.at); }));
    return done(connection.run("correlator_add_signs", params));
}

Expected<void> forget_moved(Connection& connection, base::Time before) {
    return done(connection.run("correlator_forget_moved", Params{}.time(before)));
}

Expected<void> forget_signs(Connection& connection, base::Time before) {
    return done(connection.run("correlator_forget_signs", Params{}.time(before)));
}

Expected<std::vector<StoredKey>> read_block_keys(Connection& connection, const std::vector<TallyGroup>& groups) {
    Params params;
    params.integers(numbers(groups, [](const auto& g) { return base::to_us(g.hour); }));
    params.integers(numbers(groups, [](const auto& g) { return g.customer.value; }));
    params.texts(texts(groups, [](const auto& g) { return g.kind; }));
    return rows_of<StoredKey>(connection.run("correlator_block_keys", params), [](const Result& r, int row) {
        return StoredKey{position(r, row), std::string{r.text(row, 1)}};
    });
}

Expected<void> add_blocks(Connection& connection, const std::vector<Tally>& tallies) {
    Params params;
    params.integers(numbers(tallies, [](const auto& t) { return base::to_us(t.group.hour); }));
    params.integers(numbers(tallies, [](const auto& t) { return t.group.customer.value; }));
    params.texts(texts(tallies, [](const auto& t) { return t.group.kind; }));
    params.texts(texts(tallies, [](const auto& t) { return t.key; }));
    params.texts(texts(tallies, [](const auto& t) { return t.category; }));
    params.integers(numbers(tallies, [](const auto& t) { return t.count; }));
    return done(connection.run("correlator_add_blocks", params));
}

Expected<std::int64_t> add_unknown(Connection& connection, std::int32_t partition, const std::vector<UnknownName>& names,
                                   std::int64_t most_rows) {
    Params params;
    params.integers(numbers(names, [](const auto& n) { return n.function; }));
    params.integers(numbers(names, [](const auto& n) { return n.direction; }));
    params.texts(texts(names, [](const auto& n) { return n.name; }));
    params.integers(numbers(names, [](const auto& n) { return base::to_us(n.first); }));
    params.integers(numbers(names, [](const auto& n) { return base::to_us(n.last); }));
    params.integers(numbers(names, [](const auto& n) { return n.count; }));
    params.integer(most_rows);
    params.integer(partition);
    return connection.run("correlator_add_unknown", params).map([&](const Result& result) {
        return static_cast<std::int64_t>(names.size()) - result.affected();
    });
}

Expected<std::vector<PackRow>> read_packs(Connection& connection) {
    return rows_of<PackRow>(connection.run("correlator_packs"),
                            [](const Result& r, int row) { return PackRow{r.integer(row, 0), r.time(row, 1)}; });
}

Expected<PackText> read_pack(Connection& connection, std::int64_t id) {
    auto result = connection.run("correlator_pack", Params{}.integer(id));
    if (!result) {
        return tl::unexpected{result.error()};
    }
    if (result->empty()) {
        return base::failure(FailureKind::refused, fmt::format("there is no rule pack {}", id));
    }
    return PackText{std::string{result->text(0, 0)}, std::string{result->text(0, 1)}};
}

}  // namespace mimamori::store
