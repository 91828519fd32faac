-- Statements of the correlator: partitions by lease, one transaction per poll. Many rows go in as arrays; COPY takes
-- what is one row per entry.

-- name: correlator_announce
-- $1 class, $2 number of this process. A session lock says that a correlator lives; it goes with the session.
select pg_try_advisory_lock($1::integer, $2::integer)

-- name: correlator_partitions
-- $1 class of the session locks. How many correlators live, and who holds what; a lease that has run out is nobody's.
select (select count(distinct l.objid) from pg_locks l join pg_database d on d.oid = l.database
        where l.locktype = 'advisory' and l.classid = $1::bigint::oid and l.objsubid = 2 and d.datname = current_database()),
       p.partition, case when p.lease_until > clock_timestamp() then p.holder else '' end, g.generation
from database_identity g left join log_partitions p on true
order by p.partition

-- name: correlator_take
-- $1 partition, $2 epoch, $3 holder, $4 lease in milliseconds. A row that a worker has locked in its transaction is not waited for.
update log_partitions set epoch = $2, holder = $3, lease_until = clock_timestamp() + $4 * interval '1 millisecond'
where partition = (select partition from log_partitions
                   where partition = $1 and lease_until <= clock_timestamp() for update skip locked)
returning partition

-- name: correlator_end_hanging
-- $1 partition, $2 milliseconds. Ends the session whose transaction has the row locked this long after the lease has run
-- out, while it waits for its client: a correlator that hangs in the middle of a COPY would hold it for as long as its
-- connection lives, since none of PostgreSQL's timeouts ends a COPY that waits for data.
select count(pg_terminate_backend(l.pid))
from log_partitions p
join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = p.xmax
join pg_stat_activity a on a.pid = l.pid and a.wait_event in ('ClientRead', 'ClientWrite')
where p.partition = $1 and p.lease_until + $2 * interval '1 millisecond' <= clock_timestamp()

-- name: correlator_renew
-- $1 partition, $2 epoch, $3 lease in milliseconds
update log_partitions set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
where partition = $1 and epoch = $2

-- name: correlator_release
-- $1 partition, $2 epoch
update log_partitions set epoch = null, holder = '', lease_until = '-infinity' where partition = $1 and epoch = $2

-- name: correlator_position
-- $1 partition, $2 epoch
select log_no, next_offset, last_record_id from log_partitions where partition = $1 and epoch = $2

-- name: correlator_fence
-- $1 partition, $2 epoch, $3 lease in milliseconds, $4 log_no, $5 next offset, $6 id of the record before it. The first
-- statement of every transaction: no row means that another worker has the partition.
update log_partitions set lease_until = clock_timestamp() + $3 * interval '1 millisecond',
    log_no = $4, next_offset = $5, last_record_id = $6
where partition = $1 and epoch = $2
returning (select generation from database_identity), (select coalesce(max(id), 0) from rule_packs)

-- name: correlator_streams
-- $1 rentals, $2 lanes, $3 spool ids. Nothing is locked: correlator_move_streams compares what it changes.
select s.id, s.rental_id, s.customer_id, s.lane, s.spool_id, s.next_seq, s.h_before, s.status, s.last_assigned
from unnest($1::bigint[], $2::smallint[], $3::bytea[]) as k (rental_id, lane, spool_id)
join streams s on s.rental_id = k.rental_id and s.lane = k.lane and s.spool_id = k.spool_id
order by s.id

-- name: correlator_insert_streams
-- $1 rentals, $2 customers, $3 lanes, $4 spool ids, $5 H before the first entry. Only after a restored backup: the log
-- then holds batches of streams that the database has forgotten.
insert into streams (rental_id, customer_id, lane, spool_id, h_before)
select * from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bytea[], $5::bytea[])
on conflict (rental_id, lane, spool_id) do nothing

-- name: correlator_move_streams
-- $1 ids, $2 next_seq and $3 H as read, $4 and $5 the new ones, $6 status, $7 last sequence named, $8-$14 added to the counters
update streams s set next_seq = k.next_seq, h_before = k.h, status = k.status,
    closed_at = case when k.status = 1 then now() end, close_reason = case when k.status = 1 then 'chain' else '' end,
    last_assigned = greatest(s.last_assigned, k.last), detections = s.detections + k.detections,
    blocks = s.blocks + k.blocks, skipped = s.skipped + k.skipped, rejected = s.rejected + k.rejected,
    quarantined = s.quarantined + k.quarantined, tombstoned = s.tombstoned + k.tombstoned, gone = s.gone + k.gone
from unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bytea[], $6::smallint[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[])
     as k (id, old_next, old_h, next_seq, h, status, last, detections, blocks, skipped, rejected, quarantined, tombstoned, gone)
where s.id = k.id and s.next_seq = k.old_next and s.h_before = k.old_h and s.status = 0

-- name: correlator_add_loss
-- $1 customer, $2 rental, $3 stream, $4 kind, $5 first, $6 last, $7 at least, $8 and $9 oldest and newest (us or null), $10 urgent,
-- $11 counts by function. A fork's loss is what was named and not stored, which may be nothing.
insert into losses (customer_id, rental_id, stream_id, kind, first_seq, last_seq, entries, at_least, oldest_observed_at,
                    newest_observed_at, urgent, by_function)
values ($1, $2, $3, $4, $5, greatest($6::bigint, $5::bigint - 1), greatest($6::bigint - $5::bigint + 1, 0), $7,
        from_us($8), from_us($9), $10, $11::bigint[])

-- name: correlator_rentals
-- $1 rentals: whose they are, and what is inside their site
select r.id, r.customer_id, r.site_id, r.appliance_id, array_to_string(s.lan_ranges, ',')
from rentals r join sites s on s.customer_id = r.customer_id and s.id = r.site_id
where r.id = any ($1::bigint[])

-- name: correlator_moved
-- $1 rentals, $2 lanes, $3 spool ids, $4 sequences. Digests of the rows that stand at these places, and of the entries that
-- were moved from them and are stored.
select k.nr, found.digest
from unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::bigint[]) with ordinality as k (rental_id, lane, spool_id, seq, nr)
cross join lateral (
    select d.digest from streams s join detections d on d.stream_id = s.id and d.seq = k.seq
    where s.rental_id = k.rental_id and s.lane = k.lane and s.spool_id = k.spool_id
    union all
    select q.digest from streams s join quarantine q on q.stream_id = s.id and q.seq = k.seq
    where s.rental_id = k.rental_id and s.lane = k.lane and s.spool_id = k.spool_id
    union all
    select m.digest from moved_entries m
    where m.rental_id = k.rental_id and m.lane = k.lane and m.spool_id = k.spool_id and m.seq = k.seq
) found

-- name: correlator_add_moved
-- $1 rentals, $2 lanes, $3 spool ids, $4 sequences, $5 customers, $6 digests, $7 received (us)
insert into moved_entries (rental_id, lane, spool_id, seq, customer_id, digest, moved_at)
select k.rental_id, k.lane, k.spool_id, k.seq, k.customer_id, k.digest, from_us(k.received)
from unnest($1::bigint[], $2::smallint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[])
    as k (rental_id, lane, spool_id, seq, customer_id, digest, received)

-- name: correlator_forget_moved
-- $1 before (us). A bounded number; what is left goes next time.
delete from moved_entries where ctid = any (array(select ctid from moved_entries where moved_at < from_us($1) limit 10000))

-- name: correlator_findings
-- $1 customers, $2 device keys, $3 classes: the newest finding of each, which is the one made last
select k.nr, f.id, f.severity, to_us(f.last_received_at), exists (select from mail_items m where m.finding_id = f.id)
from unnest($1::bigint[], $2::text[], $3::text[]) with ordinality as k (customer_id, device_key, class, nr)
cross join lateral (select id, severity, last_received_at from findings
                    where customer_id = k.customer_id and device_key = k.device_key and class = k.class
                    order by id desc limit 1) f

-- name: correlator_take_numbers
-- $1 customers, $2 how many. The last number that now belongs to the caller.
insert into customer_counters as c (customer_id, last_finding_no)
select * from unnest($1::bigint[], $2::bigint[])
on conflict (customer_id) do update set last_finding_no = c.last_finding_no + excluded.last_finding_no
returning c.customer_id, c.last_finding_no

-- name: correlator_insert_findings
-- Ids come back in the order of the アラートIDs given.
with made as (
    insert into findings (customer_id, site_id, rental_id, appliance_id, device_key, class, alert_id, severity, function,
                          direction, action, name, source_ip, source_port, destination_ip, destination_port, lan_mac,
                          pack_id, rule_id, detections, observed_at, first_observed_at, last_observed_at, last_received_at)
    select k.customer_id, k.site_id, k.rental_id, k.appliance_id, k.device_key, k.class, k.alert_id, k.severity,
           k.function, k.direction, k.action, k.name, k.source_ip, k.source_port, k.destination_ip, k.destination_port,
           k.lan_mac, k.pack_id, k.rule_id, k.detections, from_us(k.observed), from_us(k.first), from_us(k.last),
           from_us(k.received)
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::smallint[],
                $9::smallint[], $10::smallint[], $11::smallint[], $12::text[], $13::text[], $14::integer[], $15::text[],
                $16::integer[], $17::text[], $18::bigint[], $19::text[], $20::bigint[], $21::bigint[], $22::bigint[],
                $23::bigint[], $24::bigint[])
         as k (customer_id, site_id, rental_id, appliance_id, device_key, class, alert_id, severity, function, direction,
               action, name, source_ip, source_port, destination_ip, destination_port, lan_mac, pack_id, rule_id,
               detections, observed, first, last, received)
    returning id, customer_id, alert_id)
select made.id
from unnest($1::bigint[], $7::text[]) with ordinality as k (customer_id, alert_id, nr)
join made on made.customer_id = k.customer_id and made.alert_id = k.alert_id
order by k.nr

-- name: correlator_count_findings
-- $1 findings, $2 detections more, $3 first and $4 last event time (us), $5 last receive time (us)
update findings f set detections = f.detections + k.detections,
    first_observed_at = least(f.first_observed_at, from_us(k.first)),
    last_observed_at = greatest(f.last_observed_at, from_us(k.last)),
    last_received_at = greatest(f.last_received_at, from_us(k.received))
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) as k (id, detections, first, last, received)
where f.id = k.id

-- name: correlator_raise_findings
-- $1 findings, then what describes the detection that raised each
update findings f set severity = k.severity, site_id = k.site_id, rental_id = k.rental_id, appliance_id = k.appliance_id,
    function = k.function, direction = k.direction, action = k.action, name = k.name, source_ip = k.source_ip,
    source_port = k.source_port, destination_ip = k.destination_ip, destination_port = k.destination_port,
    lan_mac = k.lan_mac, pack_id = k.pack_id, rule_id = k.rule_id, observed_at = from_us(k.observed)
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::smallint[], $7::smallint[],
            $8::smallint[], $9::text[], $10::text[], $11::integer[], $12::text[], $13::integer[], $14::text[], $15::bigint[],
            $16::text[], $17::bigint[])
     as k (id, site_id, rental_id, appliance_id, severity, function, direction, action, name, source_ip, source_port,
           destination_ip, destination_port, lan_mac, pack_id, rule_id, observed)
where f.id = k.id

-- name: correlator_add_mail_items
-- $1 customers, $2 findings, $3 severities, $4 kinds, $5 detections, $6 first and $7 last event time (us). News joins the open
-- item of the hour if there is one; if the hour is closing just now this waits and then opens the next hour's item.
insert into mail_items as m (customer_id, finding_id, severity, kind, detections, first_observed_at, last_observed_at)
select k.customer_id, k.finding_id, k.severity, k.kind, k.detections, from_us(k.first), from_us(k.last)
from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
     as k (customer_id, finding_id, severity, kind, detections, first, last)
order by k.finding_id, k.severity
on conflict (finding_id, severity) where digest_id is null
do update set detections = m.detections + excluded.detections,
    first_observed_at = least(m.first_observed_at, excluded.first_observed_at),
    last_observed_at = greatest(m.last_observed_at, excluded.last_observed_at)

-- name: correlator_signs
-- $1 customers, $2 device keys, $3 and $4 from and to (us): the marks of these devices
select k.nr, s.sign, to_us(s.at)
from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) with ordinality as k (customer_id, device_key, since, until, nr)
join device_signs s on s.customer_id = k.customer_id and s.device_key = k.device_key
                   and s.at between from_us(k.since) and from_us(k.until)
order by k.nr, s.at, s.sign

-- name: correlator_add_signs
-- $1 customers, $2 device keys, $3 signs, $4 times (us)
insert into device_signs (customer_id, device_key, sign, at)
select k.customer_id, k.device_key, k.sign, from_us(k.at)
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) as k (customer_id, device_key, sign, at)
on conflict do nothing

-- name: correlator_forget_signs
-- $1 before (us). A bounded number; what is left goes next time.
delete from device_signs where ctid = any (array(select ctid from device_signs where at < from_us($1) limit 10000))

-- name: correlator_block_keys
-- $1 hours (us), $2 customers, $3 kinds: the keys that are there. Bounded by the limit on keys.
select k.nr, t.key
from unnest($1::bigint[], $2::bigint[], $3::text[]) with ordinality as k (hour, customer_id, kind, nr)
join block_tallies t on t.hour = from_us(k.hour) and t.customer_id = k.customer_id and t.kind = k.kind

-- name: correlator_add_blocks
-- $1 hours (us), $2 customers, $3 kinds, $4 keys, $5 categories, $6 counts; each key once
insert into block_tallies as t (hour, customer_id, kind, key, category, count)
select from_us(k.hour), k.customer_id, k.kind, k.key, k.category, k.count
from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
     as k (hour, customer_id, kind, key, category, count)
on conflict (hour, customer_id, kind, key) do update set count = t.count + excluded.count

-- name: correlator_add_unknown
-- $1 functions, $2 directions, $3 names, $4 first and $5 last receive time (us), $6 counts, $7 how many rows the partition's list
-- may have, $8 partition
insert into unknown_signatures as u (partition, function, direction, name, first_seen_at, last_seen_at, count)
select $8::integer, k.function, k.direction, k.name, from_us(k.first), from_us(k.last), k.count
from unnest($1::smallint[], $2::smallint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[]) with ordinality
     as k (function, direction, name, first, last, count, nr)
where exists (select from unknown_signatures v
              where v.partition = $8::integer and v.function = k.function and v.direction = k.direction and v.name = k.name)
   or (select count(*) from unknown_signatures where partition = $8::integer) + k.nr <= $7::bigint
on conflict (partition, function, direction, name) do update set count = u.count + excluded.count,
    first_seen_at = least(u.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at)

-- name: correlator_copy_detections
copy detections (received_at, id, stream_id, seq, digest, customer_id, site_id, rental_id, appliance_id, observed_at,
    corrected_at, function, action, origin, direction, severity, mailable, pack_id, rule_id, class, finding_id, source_ip,
    source_port, destination_ip, destination_port, lan_mac, protocol, app_protocol, name, threat_id, virus_id, file_name,
    file_sha256, mail_subject, mail_date, destination_host, url, category, application, vendor_priority, source_format,
    source_id, raw, raw_truncated) from stdin (format binary)

-- name: correlator_copy_quarantine
copy quarantine (received_at, stream_id, seq, digest, customer_id, rental_id, origin, entry_kind, reason, payload)
    from stdin (format binary)

-- name: correlator_packs
select id, to_us(effective_from) from rule_packs order by id

-- name: correlator_pack
-- $1 pack
select version, content from rule_packs where id = $1
