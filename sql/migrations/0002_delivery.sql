-- The delivery protocol's durable half: streams with their cursors, the log's position, the leases.

-- A new random generation is set when a backup is restored; messages of other generations are ignored.
create table database_identity (
    only_row boolean primary key default true check (only_row),
    generation bytea not null check (length(generation) = 16),
    set_at timestamptz not null default now()
);
insert into database_identity (generation) select decode(md5(gen_random_uuid()::text || clock_timestamp()::text), 'hex');

-- A stream is (rental, lane, spool_id). Its row is the cursor, and its counters are the promise: every entry before
-- next_seq is one of them.
create table streams (
    id bigint generated always as identity primary key,
    rental_id bigint not null,
    customer_id bigint not null,
    lane smallint not null check (lane between 0 and 2),  -- 0 urgent, 1 normal, 2 rollup
    spool_id bytea not null check (length(spool_id) = 16),
    next_seq bigint not null default 1 check (next_seq >= 1),
    h_before bytea not null check (length(h_before) = 16),
    status smallint not null default 0 check (status in (0, 1)),  -- 0 open, 1 closed
    opened_at timestamptz not null default now(),
    superseded_at timestamptz,
    closed_at timestamptz,
    close_reason text not null default '',
    last_assigned bigint not null default 0,  -- highest sequence any agent or batch has named
    detections bigint not null default 0,
    blocks bigint not null default 0,
    skipped bigint not null default 0,
    rejected bigint not null default 0,
    quarantined bigint not null default 0,
    tombstoned bigint not null default 0,
    gone bigint not null default 0,
    constraint every_entry_accounted_for check
        (detections + blocks + skipped + rejected + quarantined + tombstoned + gone = next_seq - 1),
    foreign key (customer_id, rental_id) references rentals (customer_id, id),
    unique (rental_id, lane, spool_id)
);
create index open_streams on streams (rental_id, lane) where status = 0;

-- One row a partition of the batches topic: who may write (a random epoch is the fence) and how far the log is read.
-- Rows are made once, when the topic is made: partition counts are frozen.
create table log_partitions (
    partition integer primary key,
    epoch bytea check (length(epoch) = 16),
    holder text not null default '',
    lease_until timestamptz not null default '-infinity',
    log_no bigint not null default 1,
    next_offset bigint not null default 0,
    last_record_id bytea check (length(last_record_id) = 16)  -- of the record before next_offset
);

-- What was lost, stated exactly, or as "at least" where a fork or a restored spool hides more.
create table losses (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    rental_id bigint not null,
    stream_id bigint not null references streams,
    kind text not null check (kind in ('tombstone', 'damaged', 'gone', 'fork')),
    first_seq bigint not null,
    last_seq bigint not null,
    entries bigint not null,
    at_least boolean not null default false,
    oldest_observed_at timestamptz,
    newest_observed_at timestamptz,
    urgent bigint not null default 0,
    by_function bigint[] not null default '{0,0,0,0,0,0}',  -- index 1 unspecified, 2 IPS, 3 AV, 4 WG, 5 UF, 6 APG
    recorded_at timestamptz not null default now(),
    foreign key (customer_id, rental_id) references rentals (customer_id, id)
);
create index on losses (customer_id, recorded_at);
create index on losses (stream_id);
