-- What came in: partitioned by the gateway's receive time, because only that time is the service's own.
-- A unique index across time partitions is impossible: the stream's cursor is the guard, `admin verify` the check.
-- No foreign key points at a detection; findings copy what mails need.

create table detections (
    received_at timestamptz not null,
    id uuid not null,  -- UUIDv5 of (rental, lane, spool id, sequence)
    stream_id bigint not null,
    seq bigint not null,
    digest bytea not null,  -- d_n
    customer_id bigint not null,
    site_id bigint not null,
    rental_id bigint not null,
    appliance_id bigint not null,
    observed_at timestamptz,   -- the detector's clock
    corrected_at timestamptz,  -- observed, moved by the agent's clock offset
    function smallint not null,
    action smallint not null,
    origin smallint not null,
    direction smallint not null,
    severity smallint not null,
    mailable boolean not null,
    pack_id bigint not null,
    rule_id text not null,
    class text not null,
    finding_id bigint,
    source_ip text not null,
    source_port integer not null,
    destination_ip text not null,
    destination_port integer not null,
    lan_mac text not null,
    protocol text not null,
    app_protocol text not null,
    name text not null,  -- signature, virus, site, category or application: what the rules looked at
    threat_id text not null,
    virus_id text not null,
    file_name text not null,
    file_sha256 text not null,
    mail_subject text not null,
    mail_date text not null,
    destination_host text not null,
    url text not null,
    category text not null,
    application text not null,
    vendor_priority integer not null,
    source_format text not null,
    source_id text not null,
    raw bytea not null,
    raw_truncated boolean not null
) partition by range (received_at);
create index detections_by_customer on detections (customer_id, received_at);
create index detections_by_stream on detections (stream_id, seq);
create index detections_by_finding on detections (finding_id) where finding_id is not null;
create table detections_default partition of detections default;

-- Entries that could not become a detection: lines the agent could not read (`rejected`), and entries that verify but
-- cannot be decoded or stored (`quarantined`). Bytes are kept as they came.
create table quarantine (
    received_at timestamptz not null,
    stream_id bigint not null,
    seq bigint not null,
    digest bytea not null,
    customer_id bigint not null,
    rental_id bigint not null,
    origin text not null check (origin in ('rejected', 'quarantined')),
    entry_kind smallint not null,
    reason text not null,
    payload bytea not null
) partition by range (received_at);
create index quarantine_by_customer on quarantine (customer_id, received_at);
create index quarantine_by_stream on quarantine (stream_id, seq);
create table quarantine_default partition of quarantine default;

-- URL and IP blocks never become rows: (customer, hour, kind, key) is added to in the correlator's transaction.
create table block_tallies (
    hour timestamptz not null,
    customer_id bigint not null,
    kind text not null,
    key text not null,
    category text not null default '',
    count bigint not null check (count > 0),
    primary key (hour, customer_id, kind, key)
) partition by range (hour);
create index block_tallies_by_customer on block_tallies (customer_id, hour);
create table block_tallies_default partition of block_tallies default;

-- Makes the monthly partitions (UTC) from `since` for `months` months. Safe to call again.
create function ensure_partitions(since timestamptz, months integer) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    parent text;
    month timestamp := date_trunc('month', since at time zone 'UTC');
    child text;
begin
    for i in 0 .. months - 1 loop
        foreach parent in array array['detections', 'quarantine', 'block_tallies'] loop
            child := parent || to_char(month, '_YYYY_MM');
            if to_regclass(child) is null then
                begin
                    execute format('create table %I partition of %I for values from (%L) to (%L)',
                                   child, parent, month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
                exception when check_violation then
                    null;  -- the default partition holds rows of that month: they and their like stay there
                end;
            end if;
        end loop;
        month := month + interval '1 month';
    end loop;
end
$$;
select ensure_partitions(now() - interval '1 month', 6);

-- Retention: drops every monthly partition that ends at or before `before`; returns the names.
create function drop_partitions(parent text, before timestamptz) returns setof text
language plpgsql security definer set search_path = public, pg_temp set timezone = 'UTC' as $$
declare
    child record;
begin
    if parent not in ('detections', 'quarantine', 'block_tallies') then
        raise exception 'no partitioned table named %', parent;
    end if;
    for child in
        select c.relname as name
        from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
        where p.relname = parent and c.relname ~ '_[0-9]{4}_[0-9]{2}$'
        order by c.relname
    loop
        if (to_timestamp(right(child.name, 7), 'YYYY_MM')::date + interval '1 month') at time zone 'UTC' <= before then
            execute format('drop table %I', child.name);
            return next child.name;
        end if;
    end loop;
end
$$;
