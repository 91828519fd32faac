-- Who may touch what. People come through mimamori_portal and see one tenant a transaction, set with
-- `set local mimamori.customer_id`; services name their rows by ids from certificates.

create function current_customer() returns bigint
language sql stable as $$
    select nullif(current_setting('mimamori.customer_id', true), '')::bigint
$$;

do $$
declare
    tenant_table text;
begin
    -- Every table with a customer_id. FORCE: the owner is bound as well.
    foreach tenant_table in array array['sites', 'rentals', 'recipients', 'device_names', 'streams', 'losses',
                                        'detections', 'quarantine', 'block_tallies', 'customer_counters', 'findings',
                                        'device_signs', 'digests', 'mail_items', 'outbox', 'presence'] loop
        execute format('alter table %I enable row level security', tenant_table);
        execute format('alter table %I force row level security', tenant_table);
        execute format('create policy own_tenant on %I for select to mimamori_portal using (customer_id = current_customer())',
                       tenant_table);
        execute format('create policy services on %I to mimamori_gateway, mimamori_notifier, mimamori_fleet, mimamori_admin, mimamori_owner using (true) with check (true)',
                       tenant_table);
    end loop;
end
$$;
alter table customers enable row level security;
alter table customers force row level security;
create policy own_tenant on customers for select to mimamori_portal using (id = current_customer());
create policy services on customers
    to mimamori_gateway, mimamori_notifier, mimamori_fleet, mimamori_admin, mimamori_owner using (true) with check (true);

revoke all on schema public from public;
grant usage on schema public to mimamori_gateway, mimamori_correlator, mimamori_notifier, mimamori_fleet, mimamori_admin,
    mimamori_portal;

-- gateway: who is calling, where the streams stand; opens and closes streams
grant select on certificates, rentals, customers, sites, appliances, database_identity, log_partitions, streams to mimamori_gateway;
grant insert, update on streams to mimamori_gateway;
grant insert on losses to mimamori_gateway;

-- correlator: one transaction per poll
grant select on customers, sites, rentals, appliances, rule_packs, database_identity, log_partitions, streams, detections,
    quarantine, block_tallies, findings, mail_items, customer_counters, device_signs, unknown_signatures to mimamori_correlator;
-- streams: after a restored backup the log holds batches of streams that the database has forgotten
grant insert on streams, log_partitions, detections, quarantine, block_tallies, findings, mail_items, customer_counters, device_signs,
    unknown_signatures, losses to mimamori_correlator;
grant update on log_partitions, streams, block_tallies, findings, mail_items, customer_counters, unknown_signatures
    to mimamori_correlator;
grant delete on device_signs to mimamori_correlator;

-- notifier
grant select on operators, resellers, customers, sites, rentals, appliances, recipients, device_names, desks, insurance_terms,
    rule_packs, mail_texts, findings, mail_items, digests, outbox, bounces, notifier_state, losses to mimamori_notifier;
grant insert on digests, outbox, bounces, notifier_state to mimamori_notifier;
grant update on mail_items, outbox, notifier_state to mimamori_notifier;
grant update (mailed_at) on alarms to mimamori_notifier;

-- fleet
grant select on rentals, customers, appliances, presence, topic_cursors to mimamori_fleet;
grant insert, update on presence, topic_cursors to mimamori_fleet;

-- admin: the operator's hands
grant select on all tables in schema public to mimamori_admin;
grant insert, update on operators, resellers, customers, sites, appliances, rentals, certificates, recipients, device_names,
    desks, insurance_terms, database_identity to mimamori_admin;
grant insert on rule_packs, mail_texts, log_partitions to mimamori_admin;
grant update on alarms to mimamori_admin;

-- people
grant select on customers, sites, rentals, appliances, recipients, device_names, losses, detections, block_tallies, findings,
    mail_items, digests to mimamori_portal;

-- every service may raise and close alarms and write the audit log
grant select, insert, update on alarms to mimamori_gateway, mimamori_correlator, mimamori_notifier, mimamori_fleet, mimamori_admin;
grant select, insert on audit_log to mimamori_gateway, mimamori_correlator, mimamori_notifier, mimamori_fleet, mimamori_admin;

-- Partitions are made ahead and dropped by functions that run as their owner, for the operator and the notifier's clock.
revoke execute on function ensure_partitions(timestamptz, integer), drop_partitions(text, timestamptz) from public;
grant execute on function ensure_partitions(timestamptz, integer) to mimamori_admin, mimamori_notifier;
grant execute on function drop_partitions(text, timestamptz) to mimamori_admin;
