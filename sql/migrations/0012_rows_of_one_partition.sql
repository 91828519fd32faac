-- A correlator's transaction locks nothing that another partition's needs: the list of unknown signatures has its rows by
-- partition. Who reads it adds them up.
alter table unknown_signatures add column partition integer not null default 0,
    drop constraint unknown_signatures_pkey,
    add primary key (partition, function, direction, name);
alter table unknown_signatures alter column partition drop default;

-- Every batch changes its stream's row: with room in the page no index has to follow.
alter table streams set (fillfactor = 60);
alter table log_partitions set (fillfactor = 50);
alter table customer_counters set (fillfactor = 60);
