-- Presence of agents.

-- name: topic_cursors
-- $1 topic
select partition, next_offset from topic_cursors where topic = $1 order by partition;

-- name: lock_topic_cursor
-- $1 topic, $2 partition. One fleet process at a time writes a partition's presence.
select pg_try_advisory_xact_lock(hashtextextended($1::text, $2::integer));

-- name: topic_cursor
-- $1 topic, $2 partition
select next_offset from topic_cursors where topic = $1 and partition = $2::integer;

-- name: set_topic_cursor
-- $1 topic, $2 partition, $3 next offset
insert into topic_cursors (topic, partition, next_offset) values ($1, $2::integer, $3)
on conflict (topic, partition) do update set next_offset = excluded.next_offset;

-- name: upsert_presence
-- One row of every array a rental, at most one of each rental. $1 rental, $2 customer, $3 appliance, $4 gateway,
-- $5 session, $6 connected, $7 connected at (us, 0: no news), $8 heard at (us), $9 clock offset (us), $10 agent version,
-- $11 firmware, $12 model, $13 spool bytes, $14 rejected lines (-1: not told; stays -1 until it is).
-- An older message, and the end of a session that another has replaced, change nothing. Rentals that do not exist are left out.
insert into presence as p (rental_id, customer_id, appliance_id, gateway, session_id, connected, connected_at, last_heard_at,
                           clock_offset_us, agent_version, firmware_version, appliance_model, spool_bytes, rejected_lines)
select n.rental_id, n.customer_id, n.appliance_id, n.gateway, n.session_id, n.connected,
       case when n.connected_at_us <> 0 then from_us(n.connected_at_us) end, from_us(n.last_heard_at_us), n.clock_offset_us,
       n.agent_version, n.firmware_version, n.appliance_model, n.spool_bytes, n.rejected_lines
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::bigint[])
     as m (rental_id, customer_id, appliance_id, gateway, session_id, connected_number, connected_at_us, last_heard_at_us,
           clock_offset_us, agent_version, firmware_version, appliance_model, spool_bytes, rejected_lines)
cross join lateral (select m.*, m.connected_number <> 0 as connected) n
join rentals on rentals.id = n.rental_id and rentals.customer_id = n.customer_id
order by n.rental_id
on conflict (rental_id) do update set
    gateway = excluded.gateway, session_id = excluded.session_id, connected = excluded.connected,
    connected_at = coalesce(excluded.connected_at, p.connected_at), last_heard_at = excluded.last_heard_at,
    clock_offset_us = excluded.clock_offset_us,
    agent_version = coalesce(nullif(excluded.agent_version, ''), p.agent_version),
    firmware_version = coalesce(nullif(excluded.firmware_version, ''), p.firmware_version),
    appliance_model = coalesce(nullif(excluded.appliance_model, ''), p.appliance_model),
    spool_bytes = case when excluded.spool_bytes < 0 then p.spool_bytes else excluded.spool_bytes end,
    rejected_lines = case when excluded.rejected_lines < 0 then p.rejected_lines else excluded.rejected_lines end
where excluded.last_heard_at >= p.last_heard_at
  and (excluded.connected or excluded.session_id = p.session_id);
