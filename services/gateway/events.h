// The gateway's operational events; each has a paragraph in deploy/runbook/.
#pragma once

#include "platform/events.h"

namespace mimamori::gateway {

using platform::Event;
using platform::Level;

inline constexpr Event gateway_serving{"gateway_serving", Level::info, "The listener takes connections of agents."};
inline constexpr Event gateway_waiting{
    "gateway_waiting", Level::warning, "PostgreSQL or Kafka cannot be used yet; the gateway waits and tries again."};
inline constexpr Event session_opened{"session_opened", Level::info, "An appliance is connected."};
inline constexpr Event session_closed{"session_closed", Level::info, "An appliance's connection ended."};
inline constexpr Event session_replaced{
    "session_replaced", Level::info, "An appliance connected again before its old connection had ended."};
inline constexpr Event connection_refused{
    "connection_refused", Level::warning, "A connection was refused: unknown, revoked or ended, or the service behind is away."};
inline constexpr Event certificate_refused{
    "certificate_refused", Level::alarm, "A certificate that our authority signed is not one that may connect."};
inline constexpr Event envelope_violation{
    "envelope_violation", Level::alarm, "An agent sent what the protocol does not allow; its connection was ended."};
inline constexpr Event stream_superseded{
    "stream_superseded", Level::alarm, "An appliance came with a new spool while the old one was not finished."};
inline constexpr Event stream_forked{
    "stream_forked", Level::alarm, "A spool came back older than, or other than, what was settled."};
inline constexpr Event too_many_streams{
    "too_many_streams", Level::alarm, "An appliance makes new spools again and again."};
inline constexpr Event rewind_asked{
    "rewind_asked", Level::warning, "The log passed batches without storing them; the agent sends them again."};
inline constexpr Event delivery_failed{
    "delivery_failed", Level::warning, "Kafka did not take a record; the agent will send its batch again."};
inline constexpr Event producer_replaced{
    "producer_replaced", Level::error, "The Kafka producer met a fatal error and was made anew."};
inline constexpr Event progress_interrupted{
    "progress_interrupted", Level::warning, "The progress topic cannot be read now; positions are read from PostgreSQL meanwhile."};
inline constexpr Event progress_unreadable{
    "progress_unreadable", Level::error, "A record of the progress topic cannot be read and is left out."};
inline constexpr Event generation_changed{
    "generation_changed", Level::error, "The database was restored from a backup; the gateway restarts."};
inline constexpr Event listener_dead{
    "listener_dead", Level::error, "The listener does not answer its own probe; the gateway restarts."};
inline constexpr Event database_call_failed{
    "database_call_failed", Level::warning, "A statement of the gateway failed; what needed it is tried again."};
inline constexpr Event kafka_away{"kafka_away", Level::alarm,
                                  "Kafka does not answer the gateway, or partitions have no leader."};
inline constexpr Event partitions_unread{"partitions_unread", Level::alarm,
                                         "No correlator holds the lease of a partition; what arrives there waits."};
inline constexpr Event uplink_error{"uplink_error", Level::warning,
                                    "A TLS handshake failed, connections cannot be taken, or new certificate files are not good."};

}  // namespace mimamori::gateway
