// The correlator's operational events; each has a paragraph in deploy/runbook/.
#pragma once

#include "platform/events.h"

namespace mimamori::correlator {

using platform::Event;
using platform::Level;

inline constexpr Event partition_taken{"partition_taken", Level::info, "This correlator reads a partition of the log now."};
inline constexpr Event partition_handed_over{"partition_handed_over", Level::info, "A partition was given up in order."};
inline constexpr Event partition_lost{
    "partition_lost", Level::warning, "Another correlator has the partition; nothing more is written to it here."};
inline constexpr Event partition_interrupted{
    "partition_interrupted", Level::warning, "Reading or writing a partition failed; it is read again from what is committed."};
inline constexpr Event partition_stuck{
    "partition_stuck", Level::alarm, "PostgreSQL refuses what a partition brings and no single entry is to blame; nothing is dropped, nothing goes on."};
inline constexpr Event hanging_worker_ended{
    "hanging_worker_ended", Level::error, "A correlator hung in a transaction beyond its lease; its session was ended so that another can go on."};
inline constexpr Event leases_unreadable{
    "leases_unreadable", Level::warning, "The table of leases cannot be read; partitions that are held go on."};
inline constexpr Event log_replaced{
    "log_replaced", Level::alarm, "The log is not the one that was read: it is read from its beginning."};
inline constexpr Event correlator_generation_changed{
    "correlator_generation_changed", Level::error, "The database was restored from a backup; the correlator restarts."};
inline constexpr Event record_unreadable{
    "record_unreadable", Level::alarm, "A record of the log cannot be read and is passed over; no cursor moves for it."};
inline constexpr Event batch_unreadable{
    "batch_unreadable", Level::alarm, "A batch does not unpack to what it declares; its stream stands still."};
inline constexpr Event rental_unknown{
    "rental_unknown", Level::alarm, "A record names a rental that the database does not know, or another customer's."};
inline constexpr Event chain_mismatch{
    "chain_mismatch", Level::alarm, "Entries do not continue what is stored; the stream was closed and the agent begins another."};
inline constexpr Event entry_quarantined{
    "entry_quarantined", Level::alarm, "Entries that verify could not be read or stored; their bytes are kept in quarantine."};
inline constexpr Event entries_gone{
    "entries_gone", Level::alarm, "An agent no longer holds entries that are not stored; right only after a restored backup."};
inline constexpr Event spool_damaged{
    "spool_damaged", Level::alarm, "A part of an agent's spool could not be read; the loss is stated."};
inline constexpr Event spool_overflowed{"spool_overflowed", Level::alarm,
                                        "An agent's spool was full and gave entries up; the loss is stated."};
inline constexpr Event clock_skew{"clock_skew", Level::alarm, "The clock of an appliance or its detector is wrong."};
inline constexpr Event rule_pack_missing{
    "rule_pack_missing", Level::alarm, "No rule pack was in force when detections were received; they wait in the log."};
inline constexpr Event rule_pack_unusable{
    "rule_pack_unusable", Level::alarm, "A stored rule pack cannot be read or compiled; detections it would judge wait in the log."};
inline constexpr Event rule_pack_ready{"rule_pack_ready", Level::info, "A rule pack is compiled and may be used."};
inline constexpr Event rule_packs_unreadable{
    "rule_packs_unreadable", Level::warning, "The rule packs cannot be read from PostgreSQL; it is tried again."};
inline constexpr Event unknown_signatures_full{
    "unknown_signatures_full", Level::warning, "The list of unknown signatures is full; new names are not added."};
inline constexpr Event progress_not_sent{
    "progress_not_sent", Level::warning, "A progress record could not be sent; gateways read PostgreSQL instead."};

}  // namespace mimamori::correlator
