-- A recipient has an end; the row stays, and an address that comes back later is another row.

alter table recipients add column ends_at timestamptz;
alter table recipients drop constraint recipients_customer_id_address_key;
create unique index one_lasting_recipient on recipients (customer_id, address) where ends_at is null;
create index on recipients (customer_id, address);
