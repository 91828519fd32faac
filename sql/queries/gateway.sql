-- Statements of the gateway: who is calling, where the streams stand, opening and closing streams.

-- name: gateway_find_appliance
-- $1 fingerprint of the certificate. `state`: 0 good, 1 revoked, 2 the rental has ended or has not begun.
select r.customer_id, r.site_id, r.id, r.appliance_id, array_to_string(s.lan_ranges, ','),
       case when c.revoked_at is not null then 1
            when r.starts_at > now() or r.ends_at <= now() then 2
            else 0 end as state
from certificates c
join rentals r on r.id = c.rental_id
join sites s on s.customer_id = r.customer_id and s.id = r.site_id
where c.fingerprint = $1

-- name: gateway_denied_certificates
-- What must not connect although its signature is good. Expired ones need no list.
select c.fingerprint
from certificates c
join rentals r on r.id = c.rental_id
where (c.revoked_at is not null or r.ends_at <= now()) and c.not_after > now()

-- name: gateway_streams
-- $1 rental, $2-$4 spool id of lanes 0-2 (null: not named), $5 partition. Cursors and log position in one snapshot; one
-- row without stream where none is known.
select p.log_no, p.next_offset, s.lane, s.id, s.next_seq, s.h_before, s.status
from log_partitions p
left join streams s on s.rental_id = $1
    and s.spool_id = case s.lane when 0 then $2::bytea when 1 then $3::bytea else $4::bytea end
where p.partition = $5

-- name: gateway_count_new_streams
-- $1 rental
select count(*) from streams where rental_id = $1 and opened_at > now() - interval '1 day'

-- name: gateway_insert_stream
-- $1 rental, $2 customer, $3 lane, $4 spool id, $5 H before the first entry
insert into streams (rental_id, customer_id, lane, spool_id, h_before)
values ($1, $2, $3, $4, $5)
on conflict (rental_id, lane, spool_id) do nothing
returning id

-- name: gateway_supersede_streams
-- $1 rental, $2 lane, $3 the new stream. Open ones that came before: their batches may still be in the log, so they are
-- not closed.
update streams set superseded_at = now()
where rental_id = $1 and lane = $2 and id <> $3 and status = 0 and superseded_at is null
returning id, next_seq, last_assigned

-- name: gateway_note_assigned
-- $1 stream, $2 the last sequence that an agent, whose H agreed, said it had assigned
update streams set last_assigned = $2 where id = $1 and last_assigned < $2

-- name: gateway_close_forked_stream
-- $1 stream
update streams set status = 1, closed_at = now(), close_reason = 'fork'
where id = $1 and status = 0
returning customer_id, rental_id, next_seq, last_assigned

-- name: gateway_add_fork_loss
-- $1 customer, $2 rental, $3 stream, $4 next_seq, $5 last assigned: what lies between them was never stored
insert into losses (customer_id, rental_id, stream_id, kind, first_seq, last_seq, entries, at_least)
values ($1, $2, $3, 'fork', $4, greatest($5, $4::bigint - 1), greatest($5 - ($4::bigint - 1), 0), true)

-- name: gateway_cursor
-- $1 stream
select next_seq, h_before, status from streams where id = $1

-- name: gateway_log_positions
select partition, log_no, next_offset from log_partitions order by partition

-- name: gateway_unread_partitions
-- Whose lease ran out some seconds ago: a hand-over takes less.
select coalesce(string_agg('partition ' || partition, ', ' order by partition), '')
from log_partitions where lease_until < now() - interval '5 seconds'
