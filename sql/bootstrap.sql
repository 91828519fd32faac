-- Database roles, made once per cluster by `mimamori admin database create` as a superuser. Passwords are set by the
-- same command, never here. Can be run again.
--
-- mimamori_owner      owns the schema and runs migrations; no service logs in as it
-- mimamori_gateway    reads certificates and rentals, inserts and closes streams
-- mimamori_correlator writes detections with COPY, which PostgreSQL refuses under row-level security: BYPASSRLS with the
--                     smallest grants; its customer ids come from certificates, and composite foreign keys hold them
-- mimamori_notifier   closes digests, renders and sends mail
-- mimamori_fleet      presence of agents
-- mimamori_admin      the operator's command line: makes tenants, loads packs, reads everything
-- mimamori_portal     people: row-level security, one tenant a transaction
do $$
declare
    wanted text;
begin
    foreach wanted in array array['mimamori_owner', 'mimamori_gateway', 'mimamori_correlator', 'mimamori_notifier',
                                  'mimamori_fleet', 'mimamori_admin', 'mimamori_portal'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I login', wanted);
            exception when duplicate_object or unique_violation then
                null;  -- another database of this cluster is being made at the same moment
            end;
        end if;
    end loop;
    if not exists (select from pg_roles where rolname = 'mimamori_correlator' and rolbypassrls) then
        alter role mimamori_correlator bypassrls;
    end if;
end
$$;
