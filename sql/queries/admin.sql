-- What the operator's command line runs.

-- name: lock_cluster_setup
-- One `database create` at a time in a cluster: held until the session ends.
select pg_advisory_lock(7205759403792796);

-- name: database_exists
-- $1 database
select exists (select from pg_database where datname = $1);

-- name: compose_create_database
-- $1 database. Gives the statement: CREATE DATABASE takes no parameters, so the server quotes.
select format('create database %I owner mimamori_owner template template0 encoding %L', $1::text, 'UTF8');

-- name: compose_set_password
-- $1 database role, $2 SCRAM verifier. Gives the statement.
select format('alter role %I password %L', $1::text, $2::text);

-- name: lock_migrations
select pg_advisory_lock(7205759403792793);

-- name: unlock_migrations
select pg_advisory_unlock(7205759403792793);

-- name: make_schema_migrations
create table if not exists schema_migrations (
    version text primary key,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp()
);

-- name: grant_schema_migrations
grant select on schema_migrations to mimamori_gateway, mimamori_correlator, mimamori_notifier, mimamori_fleet,
    mimamori_admin, mimamori_portal;

-- name: schema_migrations
select version, sha256 from schema_migrations order by version;

-- name: sha256_of_text
-- $1 text
select encode(sha256(convert_to($1::text, 'UTF8')), 'hex');

-- name: add_schema_migration
-- $1 version, $2 the file's text
insert into schema_migrations (version, sha256) values ($1, encode(sha256(convert_to($2::text, 'UTF8')), 'hex'));

-- name: schema_version
select coalesce(max(version), '') from schema_migrations;

-- name: set_generation
-- $1 generation. A restored backup is another life of the database: messages of the one before are ignored.
update database_identity set generation = $1, set_at = now();

-- name: lock_tenants
-- Tenants are told apart by name below their parent, which no unique key holds: one writer at a time.
select pg_advisory_xact_lock(7205759403792797);

-- name: apply_operator
-- $1 name
with known as (select id from operators where name = $1 order by id limit 1),
     made as (insert into operators (name) select $1 where not exists (select from known) returning id)
select coalesce((select id from known), (select id from made)), exists (select from made), false;

-- name: apply_reseller
-- $1 operator, $2 name
with known as (select id from resellers where operator_id = $1 and name = $2 order by id limit 1),
     made as (insert into resellers (operator_id, name) select $1, $2 where not exists (select from known) returning id)
select coalesce((select id from known), (select id from made)), exists (select from made), false;

-- name: apply_customer
-- $1 reseller, $2 name, $3 contact name, $4 language, $5 three stars at once, $6 now (us)
with known as (select id from customers where reseller_id = $1 and name = $2 order by id limit 1),
     changed as (
         update customers set contact_name = $3, language = $4, three_stars_at_once = $5, updated_at = from_us($6)
         from known
         where customers.id = known.id and (contact_name, language, three_stars_at_once) is distinct from ($3, $4, $5::boolean)
         returning customers.id),
     made as (
         insert into customers (reseller_id, name, contact_name, language, three_stars_at_once, created_at, updated_at)
         select $1, $2, $3, $4, $5, from_us($6), from_us($6) where not exists (select from known) returning id)
select coalesce((select id from known), (select id from made)), exists (select from made), exists (select from changed);

-- name: apply_customer_attributes
-- $1 customer, $2 effective from (us), $3 employees, $4 industry, $5 prefecture
with known as (select true from customer_attributes where customer_id = $1 and effective_from = from_us($2)),
     changed as (
         update customer_attributes set employees = $3, industry = $4, prefecture = $5
         where customer_id = $1 and effective_from = from_us($2)
           and (employees, industry, prefecture) is distinct from ($3, $4, $5) returning true),
     made as (
         insert into customer_attributes (customer_id, effective_from, employees, industry, prefecture)
         select $1, from_us($2), $3, $4, $5 where not exists (select from known) returning true)
select 0::bigint, exists (select from made), exists (select from changed);

-- name: apply_site
-- $1 customer, $2 name, $3 LAN ranges
with known as (select id from sites where customer_id = $1 and name = $2 order by id limit 1),
     changed as (
         update sites set lan_ranges = $3::text[]::cidr[] from known
         where sites.id = known.id and lan_ranges is distinct from $3::text[]::cidr[] returning sites.id),
     made as (
         insert into sites (customer_id, name, lan_ranges)
         select $1, $2, $3::text[]::cidr[] where not exists (select from known) returning id)
select coalesce((select id from known), (select id from made)), exists (select from made), exists (select from changed);

-- name: apply_appliance
-- $1 UTM ID, $2 model
with known as (select id from appliances where utm_id = $1),
     changed as (
         update appliances set model = $2 from known
         where appliances.id = known.id and model is distinct from $2 returning appliances.id),
     made as (insert into appliances (utm_id, model) select $1, $2 where not exists (select from known) returning id)
select coalesce((select id from known), (select id from made)), exists (select from made), exists (select from changed);

-- name: open_rental
-- $1 UTM ID
select rentals.id, rentals.customer_id, rentals.site_id, customers.name, sites.name
from appliances
join rentals on rentals.appliance_id = appliances.id and rentals.ends_at is null
join customers on customers.id = rentals.customer_id
join sites on sites.id = rentals.site_id
where appliances.utm_id = $1;

-- name: add_rental
-- $1 customer, $2 site, $3 appliance, $4 now (us)
insert into rentals (customer_id, site_id, appliance_id, starts_at) values ($1, $2, $3, from_us($4)) returning id;

-- name: end_rental
-- $1 rental, $2 now (us)
update rentals set ends_at = from_us($2) where id = $1 and ends_at is null;

-- name: apply_recipient
-- $1 customer, $2 address, $3 name, $4 language or null, $5 end (us) or null, $6 now (us). A recipient that has ended stays ended:
-- an address that comes back is a new recipient.
with known as (select id from recipients
               where customer_id = $1 and address = $2
                 and (ends_at is null or ends_at > from_us($6) or ends_at is not distinct from from_us($5))
               order by ends_at desc nulls first limit 1),
     changed as (
         update recipients set name = $3, language = $4, ends_at = from_us($5) from known
         where recipients.id = known.id and (name, language, ends_at) is distinct from ($3, $4::text, from_us($5))
         returning recipients.id),
     made as (
         insert into recipients (customer_id, address, name, language, ends_at, created_at)
         select $1, $2, $3, $4, from_us($5), from_us($6) where not exists (select from known) returning id)
select coalesce((select id from known), (select id from made)), exists (select from made), exists (select from changed);

-- name: end_recipients
-- $1 customer, $2 addresses that stay, $3 now (us)
update recipients set ends_at = from_us($3)
where customer_id = $1 and (ends_at is null or ends_at > from_us($3)) and address <> all ($2::text[]);

-- name: count_recipients
-- $1 customer: how many there are without an end, and how many there ever were
select count(*) filter (where ends_at is null), count(*) from recipients where customer_id = $1;

-- name: apply_device_name
-- $1 customer, $2 device key, $3 name
with known as (select true from device_names where customer_id = $1 and device_key = $2),
     changed as (
         update device_names set name = $3
         where customer_id = $1 and device_key = $2 and name is distinct from $3 returning true),
     made as (
         insert into device_names (customer_id, device_key, name)
         select $1, $2, $3 where not exists (select from known) returning true)
select 0::bigint, exists (select from made), exists (select from changed);

-- name: apply_desk
-- $1 operator, $2 effective from (us), $3 service name ja, $4 en, $5 centre name ja, $6 en, $7 phone, $8 hours ja, $9 en,
-- $10 mail, $11 mail hours ja, $12 en, $13 portal
with wanted as (
         select $1::bigint as operator_id, from_us($2) as effective_from, $3::text as service_name_ja, $4::text as service_name_en,
                $5::text as centre_name_ja, $6::text as centre_name_en, $7::text as phone, $8::text as hours_ja,
                $9::text as hours_en, $10::text as mail, $11::text as mail_hours_ja, $12::text as mail_hours_en,
                $13::text as portal_url),
     known as (select desks.* from desks join wanted using (operator_id, effective_from)),
     changed as (
         update desks set service_name_ja = w.service_name_ja, service_name_en = w.service_name_en,
                centre_name_ja = w.centre_name_ja, centre_name_en = w.centre_name_en, phone = w.phone, hours_ja = w.hours_ja,
                hours_en = w.hours_en, mail = w.mail, mail_hours_ja = w.mail_hours_ja, mail_hours_en = w.mail_hours_en,
                portal_url = w.portal_url
         from wanted w, known
         where desks.operator_id = w.operator_id and desks.effective_from = w.effective_from
           and known is distinct from row(w.operator_id, w.effective_from, w.service_name_ja, w.service_name_en,
                                          w.centre_name_ja, w.centre_name_en, w.phone, w.hours_ja, w.hours_en, w.mail,
                                          w.mail_hours_ja, w.mail_hours_en, w.portal_url)
         returning true),
     made as (insert into desks select wanted.* from wanted where not exists (select from known) returning true)
select 0::bigint, exists (select from made), exists (select from changed);

-- name: add_certificate
-- $1 SHA-256 of the DER form, $2 rental, $3 serial (hex), $4 not before (us), $5 not after (us)
insert into certificates (fingerprint, rental_id, serial, not_before, not_after)
values ($1, $2, $3, from_us($4), from_us($5));

-- name: revoke_certificate
-- $1 fingerprint, $2 now (us)
update certificates set revoked_at = from_us($2) where fingerprint = $1 and revoked_at is null;

-- name: revoke_certificates_of_rental
-- $1 rental, $2 now (us)
update certificates set revoked_at = from_us($2) where rental_id = $1 and revoked_at is null;

-- name: add_rule_pack
-- $1 version, $2 effective from (us), $3 content, $4 loaded by. Nothing is inserted if the version is there already.
insert into rule_packs (version, effective_from, content, sha256, loaded_by)
values ($1, from_us($2), $3, sha256(convert_to($3::text, 'UTF8')), $4)
on conflict do nothing
returning id;

-- name: rule_pack_like
-- $1 version, $2 content. Whether a pack of this version, or with this very content, is stored.
select id, version, sha256 = sha256(convert_to($2::text, 'UTF8')) from rule_packs
where version = $1 or sha256 = sha256(convert_to($2::text, 'UTF8'))
order by version = $1 desc limit 1;

-- name: add_mail_texts
-- $1 version, $2 effective from (us), $3 content, $4 loaded by. Nothing is inserted if the version is there already.
insert into mail_texts (version, effective_from, content, sha256, loaded_by)
values ($1, from_us($2), $3, sha256(convert_to($3::text, 'UTF8')), $4)
on conflict do nothing
returning id;

-- name: mail_texts_like
-- $1 version, $2 content. Whether texts of this version, or with this very content, are stored.
select id, version, sha256 = sha256(convert_to($2::text, 'UTF8')) from mail_texts
where version = $1 or sha256 = sha256(convert_to($2::text, 'UTF8'))
order by version = $1 desc limit 1;

-- name: lock_log_partitions
-- Two `topics create` at once would both see no rows.
select pg_advisory_xact_lock(7205759403792798);

-- name: count_log_partitions
select count(*) from log_partitions;

-- name: add_log_partitions
-- $1 how many; numbered from 0
insert into log_partitions (partition) select n from generate_series(0, $1::integer - 1) as n;

-- name: ensure_partitions
-- $1 since (us), $2 months
select ensure_partitions(from_us($1), $2::integer);

-- name: drop_partitions
-- $1 table, $2 before (us): whole months that end by then. Gives the names of what was dropped.
select * from drop_partitions($1, from_us($2));

-- name: list_alarms
-- $1 closed ones too
select id, kind, subject, detail, count, to_us(opened_at), to_us(last_at), to_us(closed_at)
from alarms where closed_at is null or $1::boolean
order by closed_at is not null, last_at desc limit 500;

-- name: close_alarm_by_id
-- $1 alarm
update alarms set closed_at = now() where id = $1 and closed_at is null returning kind, subject;

-- name: status_streams
select count(*) filter (where status = 0), count(*) filter (where status = 1),
       count(*) filter (where status = 0 and superseded_at is not null),
       coalesce(sum(detections), 0)::bigint, coalesce(sum(blocks), 0)::bigint, coalesce(sum(skipped), 0)::bigint,
       coalesce(sum(rejected), 0)::bigint, coalesce(sum(quarantined), 0)::bigint, coalesce(sum(tombstoned), 0)::bigint,
       coalesce(sum(gone), 0)::bigint, coalesce(sum(greatest(last_assigned - (next_seq - 1), 0)) filter (where status = 0), 0)::bigint
from streams;

-- name: status_partitions
select partition, holder, lease_until > now(), log_no, next_offset,
       case when isfinite(lease_until) then (extract(epoch from lease_until - now()) * 1000)::bigint end
from log_partitions order by partition;

-- name: status_outbox
select state, count(*), to_us(min(created_at)) from outbox group by state order by state;

-- name: status_mail_items
select count(*), to_us(min(created_at)) from mail_items where digest_id is null;

-- name: status_presence
-- $1 heard since (us)
select count(*) filter (where connected and last_heard_at >= from_us($1)), count(*) from presence;

-- name: status_alarms
-- What is open, by kind, the oldest first.
select kind, count(*), to_us(min(opened_at)) from alarms where closed_at is null group by kind order by min(opened_at), kind limit 100;

-- name: status_quarantine
-- $1 received since (us)
select origin, count(*), to_us(max(received_at)) from quarantine where received_at >= from_us($1) group by origin order by origin;

-- name: status_agents
-- Who was heard of last, the longest silent first: among those with a rental, who was never heard of comes before all.
select a.utm_id, c.name, coalesce(p.connected, false), to_us(p.last_heard_at), coalesce(p.gateway, ''), coalesce(p.agent_version, ''),
       coalesce(p.spool_bytes, -1), coalesce(p.clock_offset_us, 0)
from rentals r
join appliances a on a.id = r.appliance_id
join customers c on c.id = r.customer_id
left join presence p on p.rental_id = r.id
where r.ends_at is null
order by p.last_heard_at nulls first, a.utm_id limit 200;

-- name: verify_streams_until
-- $1 since (us), $2 after this id, $3 how many. The last id of the next streams opened since then; null: there are none.
select max(id) from (select id from streams where id > $2 and opened_at >= from_us($1) order by id limit $3) next;

-- name: verify_streams
-- $1 since (us), $2 after this id, $3 up to this one. Streams opened since then whose stored rows disagree with their
-- counters, or hold a sequence number twice. Rows of older streams may have been dropped by retention. Reads each
-- stream's rows in the order of the index, so that it needs no memory for them, however many there are.
select streams.id, streams.detections, d.stored, d.numbers, streams.rejected, q.rejected, streams.quarantined, q.quarantined, q.numbers
from streams
cross join lateral (
    select count(*) as stored, count(*) filter (where seq is distinct from before) as numbers
    from (select seq, lag(seq) over (order by seq) as before from detections where stream_id = streams.id) rows) d
cross join lateral (
    select count(*) filter (where origin = 'rejected') as rejected, count(*) filter (where origin = 'quarantined') as quarantined,
           count(*) filter (where seq is distinct from before) as numbers
    from (select seq, origin, lag(seq) over (order by seq) as before from quarantine where stream_id = streams.id) rows) q
where streams.id > $2 and streams.id <= $3 and streams.opened_at >= from_us($1)
  and (streams.detections <> d.stored or d.stored <> d.numbers or streams.rejected <> q.rejected
       or streams.quarantined <> q.quarantined or q.rejected + q.quarantined <> q.numbers)
order by streams.id limit 100;

-- name: verify_audit
-- Rows of the audit log whose hash does not follow from the row before.
select audit_breaks();

-- name: verify_mails
-- What is told in no mail, or in a wrong one: customer, what, how many, whether that is a defect. News waits for its hour, which is
-- at most a day long; a customer whom nobody reads mails for keeps its news, and that is said.
with waiting as (
         select customer_id, count(*) as items, min(at) as oldest,
                exists (select from recipients r
                       where r.customer_id = open.customer_id and (r.ends_at is null or r.ends_at > now())) as has_recipient
         from (select customer_id, created_at as at from mail_items where digest_id is null
               union all
               select customer_id, recorded_at from losses where digest_id is null) open
         group by customer_id),
     told as (
         select digest_id, 'findings' as kind, severity from mail_items where digest_id is not null
         union all
         select digest_id, 'losses', null from losses where digest_id is not null)
select customer_id, 'news or losses wait, and there is nobody to mail them to', items, false from waiting where not has_recipient
union all
select customer_id, 'news or losses wait for longer than any hour lasts', items, true
from waiting where has_recipient and oldest < now() - interval '25 hours'
union all
select customer_id, 'closed digests have no mail', count(*), true
from digests d where not exists (select from outbox o where o.digest_id = d.id) group by customer_id
union all
select customer_id, 'closed digests tell nothing', count(*), true
from digests d where not exists (select from told t where t.digest_id = d.id) group by customer_id
union all
select customer_id, 'news or losses stand in a digest of another kind or severity', count(*), true
from told t join digests d on d.id = t.digest_id
where (t.kind, t.severity) is distinct from (d.kind, d.severity) group by customer_id
order by 1, 2 limit 100;
