-- Every poll changes its findings and its open news: an index over a time that changes had every index of the row follow.
-- Of findings with one key the newest is also the one made last, for the next is made a day after it at the earliest.
drop index findings_for_grouping;
create index findings_by_key on findings (customer_id, device_key, class, id);
alter table findings set (fillfactor = 70);
alter table mail_items set (fillfactor = 80);
