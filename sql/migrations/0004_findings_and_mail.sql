-- What the rules made of detections, and what customers are told.

-- Checked, immutable rule packs; receive time picks the version in force.
create table rule_packs (
    id bigint generated always as identity primary key,
    version text not null unique,
    effective_from timestamptz not null,
    content text not null,
    sha256 bytea not null unique check (length(sha256) = 32),
    loaded_at timestamptz not null default now(),
    loaded_by text not null
);
create index on rule_packs (effective_from, id);

-- The wording of mails: templates per language, immutable, with effective dates. Closing time picks the version.
create table mail_texts (
    id bigint generated always as identity primary key,
    version text not null unique,
    effective_from timestamptz not null,
    content text not null,
    sha256 bytea not null unique check (length(sha256) = 32),
    loaded_at timestamptz not null default now(),
    loaded_by text not null
);
create index on mail_texts (effective_from, id);

-- Signatures no rule names: they got the pack's default. The operator works this list down.
create table unknown_signatures (
    function smallint not null,
    direction smallint not null,
    name text not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    count bigint not null,
    primary key (function, direction, name)
);

-- Numbers that customers see count per customer, so that nobody learns of others from them.
create table customer_counters (
    customer_id bigint primary key references customers,
    last_finding_no bigint not null default 0
);

-- A finding belongs to customer, device (MAC address, else IP address) and class, and groups until 24 h after its last
-- detection. The detail columns are those of the detection that gave it its severity.
create table findings (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    site_id bigint not null,
    rental_id bigint not null,
    appliance_id bigint not null,
    device_key text not null,
    class text not null,
    alert_id text not null,  -- アラートID
    severity smallint not null check (severity between 0 and 3),
    function smallint not null,
    direction smallint not null,
    action smallint not null,
    name text not null,
    source_ip text not null,
    source_port integer not null,
    destination_ip text not null,
    destination_port integer not null,
    lan_mac text not null,
    pack_id bigint not null references rule_packs,
    rule_id text not null,
    detections bigint not null check (detections > 0),
    observed_at timestamptz not null,  -- of the detection described
    first_observed_at timestamptz not null,
    last_observed_at timestamptz not null,
    last_received_at timestamptz not null,
    created_at timestamptz not null default now(),
    foreign key (customer_id, site_id) references sites (customer_id, id),
    foreign key (customer_id, rental_id) references rentals (customer_id, id),
    unique (customer_id, alert_id),
    unique (customer_id, id)
);
create index findings_for_grouping on findings (customer_id, device_key, class, last_received_at desc);

-- Marks of independent serious signs on one device, for the rule of several signs; kept for the rule's window.
create table device_signs (
    customer_id bigint not null references customers,
    device_key text not null,
    sign text not null,
    at timestamptz not null,  -- corrected event time
    primary key (customer_id, device_key, sign, at)
);

create table digests (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    severity smallint not null check (severity between 1 and 3),
    window_start timestamptz not null,
    window_end timestamptz not null,
    closed_at timestamptz not null,
    at_once boolean not null default false,
    unique (customer_id, id)
);
create index on digests (customer_id, closed_at);

-- News for the customer, waiting for its hour to close. No timestamp decides membership: digest_id null does.
create table mail_items (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    finding_id bigint not null,
    severity smallint not null check (severity between 1 and 3),
    kind text not null check (kind in ('new', 'raised', 'continues')),
    detections bigint not null check (detections > 0),  -- how many this item stands for
    first_observed_at timestamptz not null,
    last_observed_at timestamptz not null,
    created_at timestamptz not null default now(),
    digest_id bigint,
    foreign key (customer_id, finding_id) references findings (customer_id, id),
    foreign key (customer_id, digest_id) references digests (customer_id, id)
);
create index open_mail_items on mail_items (customer_id, severity) where digest_id is null;
create index on mail_items (digest_id);
create index on mail_items (finding_id);
-- At most one open item per finding and severity: more news of the same hour is added to it.
create unique index one_open_item on mail_items (finding_id, severity) where digest_id is null;

-- One row per recipient; bytes and Message-ID are frozen when the digest is closed.
create table outbox (
    id bigint generated always as identity primary key,
    customer_id bigint references customers,  -- null: a mail to the operator
    digest_id bigint,
    address text not null,
    message_id text not null unique,
    mail bytea not null,
    state text not null default 'pending' check (state in ('pending', 'sending', 'sent', 'failed')),
    data_attempts integer not null default 0 check (data_attempts between 0 and 5),
    attempts integer not null default 0,
    created_at timestamptz not null default now(),
    first_attempt_at timestamptz,
    next_attempt_at timestamptz not null default now(),
    sent_at timestamptz,
    in_doubt integer not null default 0,  -- attempts whose reply after the final dot was lost
    last_reply text not null default '',
    foreign key (customer_id, digest_id) references digests (customer_id, id)
);
create unique index one_mail_per_recipient on outbox (digest_id, address) where digest_id is not null;
create index outbox_due on outbox (next_attempt_at) where state in ('pending', 'sending');

-- Mails that came back to the bounce mailbox.
create table bounces (
    id bigint generated always as identity primary key,
    outbox_id bigint references outbox,
    received_at timestamptz not null default now(),
    diagnostic text not null
);

-- The notifier's own clockwork: which end of a window was closed last.
create table notifier_state (
    only_row boolean primary key default true check (only_row),
    closed_until timestamptz not null
);
