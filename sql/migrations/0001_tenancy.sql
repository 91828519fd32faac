-- Who is in it: operator > reseller > customer > site > rental > appliance, and what identifies an appliance.

-- Times travel between the services and PostgreSQL as microseconds since 1970 UTC.
create function to_us(at timestamptz) returns bigint
language sql immutable parallel safe as $$ select (extract(epoch from at) * 1000000)::bigint $$;
create function from_us(us bigint) returns timestamptz
language sql immutable parallel safe as $$ select 'epoch'::timestamptz + us * interval '1 microsecond' $$;

create table operators (
    id bigint generated always as identity primary key,
    name text not null check (name <> '')
);

create table resellers (
    id bigint generated always as identity primary key,
    operator_id bigint not null references operators,
    name text not null check (name <> ''),
    unique (operator_id, id)
);

create table customers (
    id bigint generated always as identity primary key,
    reseller_id bigint not null references resellers,
    name text not null check (name <> ''),
    contact_name text not null default '',
    language text not null default 'ja' check (language in ('ja', 'en')),
    -- option of the customer: a three-star mail leaves at once, not at the end of the hour
    three_stars_at_once boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table sites (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    name text not null,
    lan_ranges cidr[] not null default array['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']::cidr[],
    unique (customer_id, id)
);

create table appliances (
    id bigint generated always as identity primary key,
    utm_id text not null unique check (utm_id <> ''),
    model text not null default ''
);

-- An appliance at a site for a time. Old data stays with the old rental.
create table rentals (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    site_id bigint not null,
    appliance_id bigint not null references appliances,
    starts_at timestamptz not null default now(),
    ends_at timestamptz check (ends_at > starts_at),
    foreign key (customer_id, site_id) references sites (customer_id, id),
    unique (customer_id, id)
);
create unique index one_open_rental_per_appliance on rentals (appliance_id) where ends_at is null;

-- Identity of an appliance: its certificate alone, by SHA-256 of the DER form.
create table certificates (
    fingerprint bytea primary key check (length(fingerprint) = 32),
    rental_id bigint not null references rentals,
    serial text not null,
    not_before timestamptz not null,
    not_after timestamptz not null,
    issued_at timestamptz not null default now(),
    revoked_at timestamptz
);
create index on certificates (rental_id);

create table recipients (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    name text not null default '',
    address text not null check (address ~ '^[^\s<>",;:\\]+@[^\s<>",;:\\@]+$'),
    language text check (language in ('ja', 'en')),  -- null: the customer's
    created_at timestamptz not null default now(),
    unique (customer_id, address),
    unique (customer_id, id)
);

-- The customer's own names for devices, by MAC address ("00-00-5E-00-53-17") or, where none is known, by IP address.
create table device_names (
    customer_id bigint not null references customers,
    device_key text not null check (device_key <> ''),
    name text not null check (name <> ''),
    primary key (customer_id, device_key)
);

-- The consultation desk as mails print it, with effective dates.
create table desks (
    operator_id bigint not null references operators,
    effective_from timestamptz not null,
    service_name_ja text not null,
    service_name_en text not null,
    centre_name_ja text not null,
    centre_name_en text not null,
    phone text not null,
    hours_ja text not null,
    hours_en text not null,
    mail text not null,
    mail_hours_ja text not null,
    mail_hours_en text not null,
    portal_url text not null check (portal_url ~ '^https?://[^/ ]+$'),
    primary key (operator_id, effective_from)
);

-- The simple insurance as far as mails speak of it; terms v1 and v2 of the service.
create table insurance_terms (
    version text primary key,
    effective_from timestamptz not null unique,
    limit_yen bigint not null check (limit_yen > 0),
    uses_per_policy_year integer not null check (uses_per_policy_year > 0),
    remote_covered boolean not null
);
insert into insurance_terms values
    ('v1', '2020-04-01 00:00+09', 50000, 1, false),
    ('v2', '2022-04-01 00:00+09', 150000, 2, true);
