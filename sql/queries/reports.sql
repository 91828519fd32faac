-- The programme's tables, for the operator. Each takes a period, $1 from (us) and $2 until (us), by receive time: the service's own
-- clock, which partitions go by. A customer counts in the class that its newest attributes before the period's end say.

-- name: report_severity
-- Function, direction, severity, detections, customers; the last are those of function and direction, whatever the severity.
with seen as (
         select function, direction, severity, customer_id, count(*) as n from detections
         where received_at >= from_us($1) and received_at < from_us($2) group by 1, 2, 3, 4),
     cells as (select function, direction, count(distinct customer_id) as customers from seen group by 1, 2)
select function, direction, severity, sum(n), cells.customers
from seen join cells using (function, direction) group by 1, 2, 3, 5 order by 1, 2, 3;

-- name: report_sides
-- Function or "any", side ("in", "out" for both that begin inside, "unknown") or "any", detections, customers
with seen as (
         select function::text as function, customer_id, count(*) as n,
                case direction when 1 then 'in' when 2 then 'out' when 3 then 'out' else 'unknown' end as side
         from detections
         where received_at >= from_us($1) and received_at < from_us($2) and function in (1, 2, 3) group by 1, 2, direction)
select coalesce(function, 'any'), coalesce(side, 'any'), sum(n), count(distinct customer_id)
from seen group by cube (function, side) order by function, side;

-- name: report_customers
-- $3 what by: size, industry or prefecture. Class, members, those that saw anything of AV, IPS or WG, and of each. Members had an appliance
-- in the period.
with seen as (
         select distinct customer_id, function from detections
         where received_at >= from_us($1) and received_at < from_us($2) and function in (1, 2, 3)),
     members as (
         select id, coalesce(case $3::text when 'size' then a.employees
                                           when 'industry' then a.industry || ' ' || a.name_en
                                           when 'prefecture' then a.prefecture end, 'not stated') as class
         from customers
         left join lateral (
             select employees, industry, name_en, prefecture
             from customer_attributes join industries on industries.code = industry
             where customer_id = customers.id and effective_from < from_us($2) order by effective_from desc limit 1) a on true
         where exists (select from rentals
                       where customer_id = customers.id and starts_at < from_us($2) and (ends_at is null or ends_at > from_us($1))))
select class, count(distinct id), count(distinct customer_id), count(distinct customer_id) filter (where function = 2),
       count(distinct customer_id) filter (where function = 1), count(distinct customer_id) filter (where function = 3)
from members left join seen on customer_id = id
group by class order by case when $3 = 'size' then lpad(split_part(class, '-', 1), 4, '0') else class end;

-- name: report_threats
-- $3 how many of each function. Function, rank, name, detections, their part of the function's in percent, customers
with names as (
         select function, name, count(*) as n, count(distinct customer_id) as customers from detections
         where received_at >= from_us($1) and received_at < from_us($2) and function in (1, 2, 3) group by 1, 2),
     ranked as (
         select *, row_number() over (partition by function order by n desc, lower(name), name) as rank,
                sum(n) over (partition by function) as of_function
         from names)
select function, rank, name, n, round(100.0 * n / of_function, 1), customers
from ranked where rank <= $3 order by function, rank;

-- name: report_weeks
-- Prefecture, function, month, week of the month (days 1-7, 8-14, 15-21, 22-28, 29-; Japan's calendar), detections, customers, the one
-- customer with the most, how many those are
with seen as (
         select customer_id, function, (received_at at time zone 'Asia/Tokyo')::date as day, count(*) as n from detections
         where received_at >= from_us($1) and received_at < from_us($2) and function in (1, 2, 3) group by 1, 2, 3),
     weekly as (
         select coalesce(a.prefecture, 'not stated') as prefecture, function, to_char(day, 'YYYY-MM') as month,
                least((extract(day from day)::integer - 1) / 7 + 1, 5) as week, customer_id, sum(n) as n
         from seen
         left join lateral (
             select prefecture from customer_attributes
             where customer_id = seen.customer_id and effective_from < from_us($2) order by effective_from desc limit 1) a on true
         group by 1, 2, 3, 4, 5)
select prefecture, function, month, week, sum(n), count(*), (array_agg(customer_id order by n desc, customer_id))[1], max(n)
from weekly group by 1, 2, 3, 4 order by 1, 2, 3, 4;

-- name: report_packs
-- The rule packs that judged in the period: id, content
select id, content from rule_packs
where id in (select distinct pack_id from detections where received_at >= from_us($1) and received_at < from_us($2)) order by id;

-- name: report_mails
-- What mail policies make of the same verdicts: $3 policy, $4 pack, $5 severity, $6 function, $7 direction, row by row what is mailed.
-- Policy, detections, mails (one a customer, severity and hour), customers; then "sent", the same of the digests that were really closed.
with mailed as (
         select policy, customer_id, d.severity, date_trunc('hour', received_at) as hour, count(*) as n
         from detections d
         join unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
              as rule (policy, pack_id, severity, function, direction)
              on (rule.pack_id, rule.severity, rule.function, rule.direction) = (d.pack_id, d.severity, d.function, d.direction)
         where received_at >= from_us($1) and received_at < from_us($2)
         group by 1, 2, 3, 4)
(select policy, sum(n), count(*), count(distinct customer_id) from mailed group by policy order by policy)
union all
select 'sent', coalesce(sum(detections), 0), count(distinct digests.id), count(distinct digests.customer_id)
from digests join mail_items on mail_items.digest_id = digests.id
where window_end > from_us($1) and window_start < from_us($2);
