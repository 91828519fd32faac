-- What the operator watches: alarms, presence, audit.

-- The one home of alarms. One open row per (kind, subject); the same trouble again counts up.
create table alarms (
    id bigint generated always as identity primary key,
    kind text not null,     -- an operational event's id, explained in deploy/runbook/
    subject text not null,  -- what it is about: "stream 12", "partition 3", "relay"
    detail text not null,
    count bigint not null default 1,
    opened_at timestamptz not null default now(),
    last_at timestamptz not null default now(),
    closed_at timestamptz,
    mailed_at timestamptz
);
create unique index one_open_alarm on alarms (kind, subject) where closed_at is null;

create function raise_alarm(alarm_kind text, alarm_subject text, alarm_detail text) returns void
language sql as $$
    insert into alarms (kind, subject, detail) values (alarm_kind, left(alarm_subject, 200), left(alarm_detail, 2000))
    on conflict (kind, subject) where closed_at is null
    do update set count = alarms.count + 1, last_at = now(), detail = excluded.detail
$$;

create function close_alarm(alarm_kind text, alarm_subject text) returns void
language sql as $$
    update alarms set closed_at = now()
    where kind = alarm_kind and subject = left(alarm_subject, 200) and closed_at is null
$$;

create table presence (
    rental_id bigint primary key references rentals,
    customer_id bigint not null,
    appliance_id bigint not null,
    gateway text not null,
    session_id bytea not null,
    connected boolean not null,
    connected_at timestamptz,
    last_heard_at timestamptz not null,
    clock_offset_us bigint not null default 0,
    agent_version text not null default '',
    firmware_version text not null default '',
    appliance_model text not null default '',
    spool_bytes bigint not null default 0,
    rejected_lines bigint not null default 0,
    foreign key (customer_id, rental_id) references rentals (customer_id, id)
);

-- Where a consumer of a side topic (presence) stands, in the same transaction as what it wrote.
create table topic_cursors (
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    primary key (topic, partition)
);

-- Insert-only and hash-chained; holds references, not personal data.
create table audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    object text not null,
    detail jsonb not null default '{}',
    previous_hash bytea not null,
    hash bytea not null
);

create function audit_link() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(7205759403792794);  -- one writer at a time, or the chain would branch
    select coalesce((select hash from audit_log order by id desc limit 1), '\x'::bytea) into new.previous_hash;
    new.hash := sha256(new.previous_hash || convert_to(
        concat_ws('|', new.id, to_char(new.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), new.actor, new.action,
                  new.object, new.detail::text), 'UTF8'));
    return new;
end
$$;
create trigger audit_link before insert on audit_log for each row execute function audit_link();

create function audit_is_insert_only() returns trigger
language plpgsql as $$
begin
    raise exception 'the audit log is insert-only';
end
$$;
create trigger audit_is_insert_only before update or delete or truncate on audit_log
    for each statement execute function audit_is_insert_only();

-- Ids of rows whose hash does not follow from the row before: empty when nobody has tampered.
create function audit_breaks() returns setof bigint
language sql stable as $$
    select id from (
        select id, hash, previous_hash, lag(hash, 1, '\x'::bytea) over (order by id) as before,
               sha256(previous_hash || convert_to(
                   concat_ws('|', id, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), actor, action,
                             object, detail::text), 'UTF8')) as expected
        from audit_log) chained
    where hash <> expected or previous_hash <> before
$$;
