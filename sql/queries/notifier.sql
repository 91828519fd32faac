-- Closing hours, rendering, sending.

-- name: notifier_lead
-- One notifier works at a time: the lock lives as long as the session.
select pg_try_advisory_lock(7205759403792795);

-- name: notifier_state
select to_us(closed_until) from notifier_state;

-- name: set_notifier_state
-- $1 end of the window closed last (us)
insert into notifier_state (closed_until) values (from_us($1))
on conflict (only_row) do update set closed_until = excluded.closed_until;

-- name: keep_partitions_ahead
-- $1 now (us). The months to come; past ones are there or are not needed.
select ensure_partitions(from_us($1), 4);

-- name: customers_with_open_items
-- $1 whether only three-star items of customers who want them at once. What is due, worst first.
select mail_items.customer_id, mail_items.severity
from mail_items join customers on customers.id = mail_items.customer_id
where mail_items.digest_id is null
  and (not $1::boolean or (mail_items.severity = 3 and customers.three_stars_at_once))
group by mail_items.customer_id, mail_items.severity
order by mail_items.severity desc, mail_items.customer_id;

-- name: customers_with_open_losses
select distinct customer_id from losses where digest_id is null order by customer_id;

-- name: insert_digest
-- $1 customer, $2 severity (null: losses), $3 window start (us), $4 window end (us), $5 now (us), $6 at once
insert into digests (customer_id, kind, severity, window_start, window_end, closed_at, at_once)
values ($1, case when $2::smallint is null then 'losses' else 'findings' end, $2, from_us($3), from_us($4), from_us($5), $6)
returning id;

-- name: take_open_items
-- $1 digest, $2 customer, $3 severity. No timestamp decides membership.
update mail_items set digest_id = $1
where digest_id is null and customer_id = $2 and severity = $3
returning id;

-- name: digest_items
-- $1 digest. The items of a digest with what mails print of their findings, worst and newest first.
select i.kind, i.detections, to_us(i.first_observed_at), to_us(i.last_observed_at),
       f.alert_id, f.class, f.function, f.direction, f.action, f.name, f.source_ip, f.source_port, f.destination_ip,
       f.destination_port, f.lan_mac, f.device_key, coalesce(d.name, ''), to_us(f.observed_at), a.utm_id, f.pack_id
from mail_items i
join findings f on f.id = i.finding_id
join appliances a on a.id = f.appliance_id
left join device_names d on d.customer_id = f.customer_id and d.device_key = f.device_key
where i.digest_id = $1
order by f.device_key, f.class, i.id;

-- name: take_open_losses
-- $1 digest, $2 customer. No timestamp decides membership.
update losses set digest_id = $1 where digest_id is null and customer_id = $2 returning id;

-- name: digest_losses
-- $1 digest. What was lost, one row for each appliance and sort of record, detections first. Of the urgent lane (0) all is
-- urgent; the rollup lane (2) holds blocks. A loss without times, and what "at least" hides, may lie outside the span.
select a.utm_id, si.name, s.lane = 2 as blocks, sum(l.entries)::bigint, coalesce(sum(l.entries) filter (where s.lane = 0), 0)::bigint,
       bool_or(l.at_least), to_us(min(l.oldest_observed_at)), to_us(max(l.newest_observed_at)),
       bool_or(l.oldest_observed_at is null or l.at_least)
from losses l
join streams s on s.id = l.stream_id
join rentals r on r.id = l.rental_id
join sites si on si.id = r.site_id
join appliances a on a.id = r.appliance_id
where l.digest_id = $1
group by s.lane = 2, a.utm_id, si.name
order by s.lane = 2, a.utm_id, si.name;

-- name: digest_customer
-- $1 customer
select c.name, c.contact_name, c.language, r.operator_id
from customers c join resellers r on r.id = c.reseller_id where c.id = $1;

-- name: digest_recipients
-- $1 customer, $2 now (us)
select address, name, coalesce(language, '') from recipients
where customer_id = $1 and (ends_at is null or ends_at > from_us($2)) order by id;

-- name: desk_in_force
-- $1 operator, $2 time (us)
select service_name_ja, service_name_en, centre_name_ja, centre_name_en, phone, hours_ja, hours_en, mail, mail_hours_ja,
       mail_hours_en, portal_url
from desks where operator_id = $1 and effective_from <= from_us($2) order by effective_from desc limit 1;

-- name: insurance_terms_in_force
-- $1 time (us)
select version, limit_yen, uses_per_policy_year, remote_covered
from insurance_terms where effective_from <= from_us($1) order by effective_from desc limit 1;

-- name: mail_texts_in_force
-- $1 time (us)
select version, content from mail_texts where effective_from <= from_us($1) order by effective_from desc, id desc limit 1;

-- name: rule_pack_content
-- $1 pack
select version, content from rule_packs where id = $1;

-- name: insert_outbox
-- $1 customer (null: the operator), $2 digest (null: none), $3 address, $4 Message-ID, $5 bytes
insert into outbox (customer_id, digest_id, address, message_id, mail) values ($1, $2, $3, $4, $5);

-- name: outbox_claim
-- $1 lease in milliseconds. Takes one due mail and counts the attempt before the relay is spoken to: an attempt that dies
-- with the process stands as one that reached DATA and is in doubt. A row still 'sending' after its lease is such a one.
update outbox set state = 'sending', attempts = attempts + 1, data_attempts = data_attempts + 1, in_doubt = in_doubt + 1,
    first_attempt_at = coalesce(first_attempt_at, now()), next_attempt_at = now() + $1 * interval '1 millisecond'
where id = (select id from outbox
            where state in ('pending', 'sending') and next_attempt_at <= now() and data_attempts < 5
            order by next_attempt_at, id limit 1 for update skip locked)
returning id, address, mail, attempts, data_attempts, to_us(created_at), to_us(first_attempt_at), customer_id,
    replace(bounce_token::text, '-', '');

-- name: outbox_end
-- $1 outbox row, $2 state, $3 data attempts to take back (0 or 1), $4 doubts to take back (0 or 1),
-- $5 milliseconds to the next attempt, $6 reply
update outbox set state = $2, data_attempts = data_attempts - $3, in_doubt = in_doubt - $4,
    next_attempt_at = now() + $5 * interval '1 millisecond', last_reply = left($6, 500),
    sent_at = case when $2 = 'sent' then now() end
where id = $1 and state = 'sending';

-- name: outbox_give_up_exhausted
-- Mails whose fifth attempt died with its process.
update outbox set state = 'failed', last_reply = 'the last of five attempts ended with the process'
where state = 'sending' and data_attempts >= 5 and next_attempt_at <= now()
returning id, customer_id;

-- name: open_alarms_to_mail
select id, kind, subject, detail, count, to_us(opened_at) from alarms
where closed_at is null and mailed_at is null order by id limit 100;

-- name: alarms_mailed
-- $1 ids
update alarms set mailed_at = now() where id = any ($1::bigint[]);
