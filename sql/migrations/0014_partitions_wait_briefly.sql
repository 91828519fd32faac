-- Making and dropping partitions locks the whole table, and whoever writes to it waits behind that lock: if a long report
-- holds it up, the command fails soon and is run again, and nothing that comes in waits for the report.
alter function ensure_partitions(timestamptz, integer) set lock_timeout = '2s';
alter function drop_partitions(text, timestamptz) set lock_timeout = '2s';
