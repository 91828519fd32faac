// What the correlator reads and writes in its transaction: typed calls of sql/queries/correlator.sql, each for many rows
// at once. Rows come back with the position of the key they were asked with, from 0.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "domain/delivery/applier.h"
#include "domain/delivery/types.h"
#include "domain/detection.h"
#include "domain/finding.h"
#include "store/connection.h"

namespace mimamori::store {

struct StreamKey {
    base::RentalId rental;
    domain::delivery::Lane lane;
    domain::delivery::SpoolId spool_id;
    friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
};

struct StoredStream {
    base::StreamId id;
    base::CustomerId customer;
    StreamKey key;
    domain::delivery::Cursor cursor;
    domain::delivery::Seq last_assigned = 0;  // the highest that anybody has named
};
Expected<std::vector<StoredStream>> find_streams(Connection& connection, const std::vector<StreamKey>& keys);

struct NewStream {
    StreamKey key;
    base::CustomerId customer;
};
Expected<void> insert_streams(Connection& connection, const std::vector<NewStream>& streams);

struct StreamMove {
    base::StreamId id;
    domain::delivery::Cursor from, to;
    domain::delivery::Seq last_named = 0;
    domain::delivery::Counters added;
};
// Compare-and-set: conflict if one of them is not as it was read.
Expected<void> move_streams(Connection& connection, const std::vector<StreamMove>& moves);

struct Loss {
    base::CustomerId customer;
    base::RentalId rental;
    base::StreamId stream;
    std::string kind;  // as in losses.kind
    domain::delivery::Seq first = 0, last = 0;
    bool at_least = false;
    std::optional<base::Time> oldest, newest;
    std::int64_t urgent = 0;
    std::array<std::int64_t, 6> by_function{};
};
Expected<void> add_losses(Connection& connection, const std::vector<Loss>& losses);

struct RentalSite {
    base::RentalId rental;
    base::CustomerId customer;
    base::SiteId site;
    base::ApplianceId appliance;
    std::string lan_ranges;  // CIDR, separated by commas
};
Expected<std::vector<RentalSite>> read_rentals(Connection& connection, const std::vector<base::RentalId>& rentals);

// An entry that was moved from a forked spool, with the first place it ever had.
struct MovedEntry {
    base::CustomerId customer;
    StreamKey first_stream;
    domain::delivery::Seq seq;
    domain::delivery::Hash128 digest;
    base::Time received;
};
struct StoredDigest {
    std::size_t key;  // index of the entry asked for
    domain::delivery::Hash128 digest;
};
// What stands at their places, or came from there through another spool; none, one or several an entry.
Expected<std::vector<StoredDigest>> read_moved(Connection& connection, const std::vector<MovedEntry>& entries);
Expected<void> add_moved(Connection& connection, const std::vector<MovedEntry>& entries);
// Before this receive time: at most 10,000 a call.
Expected<void> forget_moved(Connection& connection, base::Time before);

struct FindingKey {
    base::CustomerId customer;
    std::string device_key, class_id;
};
struct NewestFinding {
    std::size_t key;
    domain::OpenFinding finding;
};
Expected<std::vector<NewestFinding>> read_findings(Connection& connection, const std::vector<FindingKey>& keys);

// What describes a finding: the detection that gave it its severity. Texts are short enough for a mail.
struct FindingDetails {
    base::CustomerId customer;
    base::SiteId site;
    base::RentalId rental;
    base::ApplianceId appliance;
    domain::Severity severity = domain::Severity::none;
    domain::Function function = domain::Function::unspecified;
    domain::Direction direction = domain::Direction::unknown;
    domain::Action action = domain::Action::unspecified;
    std::string name, source_ip, destination_ip, lan_mac, rule_id;
    std::int64_t source_port = 0, destination_port = 0, pack_id = 0;
    base::Time observed{};
};
struct FindingCount {  // what detections add to a finding
    std::int64_t detections = 0;
    base::Time first{}, last{};  // event times
    base::Time received{};       // the latest
};
struct NewFinding {
    std::string device_key, class_id, alert_id;
    FindingDetails details;
    FindingCount count;
};
// The last number of each customer after `count` more.
struct TakenNumbers {
    base::CustomerId customer;
    std::int64_t last;
};
Expected<std::vector<TakenNumbers>> take_finding_numbers(Connection& connection, const std::vector<base::CustomerId>& customers,
                                                         const std::vector<std::int64_t>& counts);
Expected<std::vector<base::FindingId>> insert_findings(Connection& connection, const std::vector<NewFinding>& findings);
Expected<void> count_findings(Connection& connection, const std::vector<base::FindingId>& ids, const std::vector<FindingCount>& counts);
Expected<void> raise_findings(Connection& connection, const std::vector<base::FindingId>& ids, const std::vector<FindingDetails>& details);

struct MailItem {
    base::CustomerId customer;
    base::FindingId finding;
    domain::Severity severity;
    domain::MailItemKind kind;
    FindingCount count;
};
Expected<void> add_mail_items(Connection& connection, const std::vector<MailItem>& items);

struct DeviceRange {
    base::CustomerId customer;
    std::string device_key;
    base::Time since, until;
};
struct StoredSign {
    std::size_t key;
    std::string sign;
    base::Time at;
};
Expected<std::vector<StoredSign>> read_signs(Connection& connection, const std::vector<DeviceRange>& devices);
struct NewSign {
    base::CustomerId customer;
    std::string device_key, sign;
    base::Time at;
};
Expected<void> add_signs(Connection& connection, const std::vector<NewSign>& signs);
Expected<void> forget_signs(Connection& connection, base::Time before);

struct TallyGroup {
    base::Time hour;
    base::CustomerId customer;
    std::string kind;
    friend auto operator<=>(const TallyGroup&, const TallyGroup&) = default;
};
struct StoredKey {
    std::size_t group;
    std::string key;
};
Expected<std::vector<StoredKey>> read_block_keys(Connection& connection, const std::vector<TallyGroup>& groups);
struct Tally {
    TallyGroup group;
    std::string key, category;
    std::int64_t count = 0;
};
Expected<void> add_blocks(Connection& connection, const std::vector<Tally>& tallies);

struct UnknownName {
    domain::Function function;
    domain::Direction direction;
    std::string name;
    base::Time first, last;  // receive times
    std::int64_t count = 0;
};
// How many of them the partition's full list did not take.
Expected<std::int64_t> add_unknown(Connection& connection, std::int32_t partition, const std::vector<UnknownName>& names,
                                   std::int64_t most_rows);

struct PackRow {
    std::int64_t id;
    base::Time effective_from;
};
Expected<std::vector<PackRow>> read_packs(Connection& connection);
struct PackText {
    std::string version, content;
};
Expected<PackText> read_pack(Connection& connection, std::int64_t id);

}  // namespace mimamori::store
