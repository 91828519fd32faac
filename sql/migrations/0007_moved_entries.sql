-- An entry that is moved to a new spool is marked with the first place it ever had. Where its row stands there, it is
-- skipped; where it came through another spool meanwhile, only this table tells: two spools restored from one image, or one
-- restored twice, bring the same entry under names of their own.
create table moved_entries (
    customer_id bigint not null references customers,
    rental_id bigint not null,
    lane smallint not null check (lane between 0 and 2),
    spool_id bytea not null check (length(spool_id) = 16),  -- of the first place; its stream may be unknown here
    seq bigint not null check (seq >= 1),
    digest bytea not null check (length(digest) = 16),
    moved_at timestamptz not null,  -- receive time
    foreign key (customer_id, rental_id) references rentals (customer_id, id),
    primary key (rental_id, lane, spool_id, seq, digest)
);
create index on moved_entries (moved_at);

alter table moved_entries enable row level security;
alter table moved_entries force row level security;
create policy own_tenant on moved_entries for select to mimamori_portal using (customer_id = current_customer());
create policy services on moved_entries to mimamori_gateway, mimamori_notifier, mimamori_fleet, mimamori_admin, mimamori_owner
    using (true) with check (true);
grant select, insert, delete on moved_entries to mimamori_correlator;
grant select on moved_entries to mimamori_admin;
