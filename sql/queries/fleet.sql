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

-- name: raise_silent_agents
-- $1 kind of the alarm, $2 heard before (us). Raises one for each agent of a rental in force that was last heard of before then and has
-- none open; who was never heard of is not activated yet.
with silent as (
    select 'rental ' || r.id as subject,
           format('appliance %s was last heard of at %s through %s', a.utm_id,
                  to_char(p.last_heard_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), p.gateway) as detail
    from presence p
    join rentals r on r.id = p.rental_id
    join appliances a on a.id = r.appliance_id
    where p.last_heard_at < from_us($2) and r.ends_at is null
      and not exists (select from alarms where kind = $1 and subject = 'rental ' || r.id and closed_at is null)
    order by p.last_heard_at, r.id limit 100)
select subject, detail, raise_alarm($1, subject, detail) from silent;

-- name: raise_silence_of_all
-- $1 kind of the alarm, $2 subject, $3 detail. Unless no agent of a rental in force was ever heard of: then there is nobody to be silent.
select raise_alarm($1, $2, $3) where exists (select from presence p join rentals r on r.id = p.rental_id where r.ends_at is null);

-- name: close_heard_agents
-- $1 kind of the alarm, $2 the subject that is no agent, $3 heard before (us)
update alarms set closed_at = now()
where kind = $1 and closed_at is null and subject <> $2
  and subject not in (select 'rental ' || r.id from presence p join rentals r on r.id = p.rental_id
                      where p.last_heard_at < from_us($3) and r.ends_at is null);
