-- One detection from its entry to its mails (`mimamori admin trace`).

-- name: trace_place
-- $1 detection id, $2 received since (us). No index on the id: the hot path does not pay for what a person asks twice a month.
select stream_id, seq from detections where id = $1::text::uuid and received_at >= from_us($2) limit 1;

-- name: trace_stream
-- $1 stream
select s.lane, encode(s.spool_id, 'hex'), s.next_seq, s.status, s.close_reason, a.utm_id, c.name, t.name
from streams s
join rentals r on r.id = s.rental_id
join appliances a on a.id = r.appliance_id
join customers c on c.id = r.customer_id
join sites t on t.id = r.site_id
where s.id = $1;

-- name: trace_detections
-- $1 stream, $2 sequence. One row, or a broken promise.
select d.id::text, to_us(d.observed_at), to_us(d.corrected_at), to_us(d.received_at), d.severity, d.mailable,
       coalesce(p.version, ''), d.rule_id, d.class, d.name, d.source_format, d.source_id, d.raw, d.finding_id
from detections d left join rule_packs p on p.id = d.pack_id
where d.stream_id = $1 and d.seq = $2 limit 10;

-- name: trace_quarantine
-- $1 stream, $2 sequence
select to_us(received_at), origin, entry_kind, reason from quarantine where stream_id = $1 and seq = $2 limit 10;

-- name: trace_losses
-- $1 stream, $2 sequence
select kind, first_seq, last_seq, at_least, to_us(recorded_at) from losses
where stream_id = $1 and $2 between first_seq and last_seq order by id limit 10;

-- name: trace_findings
-- $1 アラートID or '', $2 finding or null. Numbers count per customer, so that several customers may have the same.
select f.id, f.alert_id, c.name, f.severity, f.class, f.detections, coalesce(p.version, ''), f.rule_id, to_us(f.created_at),
       to_us(f.last_received_at)
from findings f
join customers c on c.id = f.customer_id
left join rule_packs p on p.id = f.pack_id
where f.alert_id = $1 or f.id = $2
order by f.id limit 20;

-- name: trace_entries
-- $1 finding. Its newest detections.
select stream_id, seq, id::text, to_us(received_at) from detections where finding_id = $1 order by received_at desc, seq desc limit 20;

-- name: trace_items
-- $1 finding
select i.id, i.kind, i.severity, i.detections, to_us(i.created_at), i.digest_id, to_us(d.window_end), to_us(d.closed_at)
from mail_items i left join digests d on d.id = i.digest_id
where i.finding_id = $1 order by i.id limit 100;

-- name: trace_mails
-- $1 finding
select o.id, o.digest_id, o.address, o.message_id, o.state, o.attempts, o.data_attempts, o.in_doubt, to_us(o.created_at),
       to_us(o.sent_at), o.last_reply
from outbox o
where o.digest_id in (select digest_id from mail_items where finding_id = $1)
order by o.id limit 100;
