-- Losses are news for the customer: a mail of their own, once an hour. No timestamp decides membership: digest_id null does.

alter table digests add column kind text not null default 'findings' check (kind in ('findings', 'losses'));
alter table digests alter column severity drop not null;
alter table digests add constraint severity_of_findings_only check ((kind = 'findings') = (severity is not null));

alter table losses add column digest_id bigint;
alter table losses add foreign key (customer_id, digest_id) references digests (customer_id, id);
create index open_losses on losses (customer_id) where digest_id is null;
create index on losses (digest_id);

grant update (digest_id) on losses to mimamori_notifier;
grant select (id, lane) on streams to mimamori_notifier;
