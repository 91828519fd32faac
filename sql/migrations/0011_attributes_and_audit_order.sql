-- What the programme's tables group customers by. A company grows and moves: attributes hold from a time until the next ones begin.

-- Divisions of the Japan Standard Industrial Classification.
create table industries (
    code text primary key check (code ~ '^[A-T]$'),
    name_ja text not null unique,
    name_en text not null unique
);
insert into industries (code, name_ja, name_en) values
    ('A', '農業、林業', 'agriculture and forestry'),
    ('B', '漁業', 'fisheries'),
    ('C', '鉱業、採石業、砂利採取業', 'mining and quarrying'),
    ('D', '建設業', 'construction'),
    ('E', '製造業', 'manufacturing'),
    ('F', '電気・ガス・熱供給・水道業', 'electricity, gas, heat supply and water'),
    ('G', '情報通信業', 'information and communications'),
    ('H', '運輸業、郵便業', 'transport and postal'),
    ('I', '卸売業、小売業', 'wholesale and retail'),
    ('J', '金融業、保険業', 'finance and insurance'),
    ('K', '不動産業、物品賃貸業', 'real estate and leasing'),
    ('L', '学術研究、専門・技術サービス業', 'scientific and technical services'),
    ('M', '宿泊業、飲食サービス業', 'accommodation and food'),
    ('N', '生活関連サービス業、娯楽業', 'personal services and amusement'),
    ('O', '教育、学習支援業', 'education'),
    ('P', '医療、福祉', 'medical and welfare'),
    ('Q', '複合サービス事業', 'compound services'),
    ('R', 'サービス業（他に分類されないもの）', 'services not elsewhere classified'),
    ('S', '公務', 'government'),
    ('T', '分類不能の産業', 'not classified');

create table customer_attributes (
    customer_id bigint not null references customers,
    effective_from timestamptz not null,
    employees text not null check (employees in ('1-5', '6-10', '11-20', '21-50', '51-100', '101-200', '201-300')),
    industry text not null references industries,
    prefecture text not null check (prefecture ~ '^\w{2,3}[都道府県]$'),
    primary key (customer_id, effective_from)
);
alter table customer_attributes enable row level security;
alter table customer_attributes force row level security;
create policy own_tenant on customer_attributes for select to mimamori_portal using (customer_id = current_customer());
create policy services on customer_attributes
    to mimamori_gateway, mimamori_notifier, mimamori_fleet, mimamori_admin, mimamori_owner using (true) with check (true);
grant select on industries, customer_attributes to mimamori_admin, mimamori_portal;
grant insert, update on customer_attributes to mimamori_admin;

-- A row's number was drawn before its writer had the lock: of two writers at once the one with the lower number could come second, and
-- the chain, which is read in the order of numbers, looked as if somebody had tampered with it. Now the lock is taken before the
-- statement makes its rows.
create function audit_lock() returns trigger
language plpgsql as $$
begin
    perform pg_advisory_xact_lock(7205759403792794);
    return null;
end
$$;
create trigger audit_lock before insert on audit_log for each statement execute function audit_lock();
