-- Statements that every service uses.

-- name: raise_alarm
-- $1 kind, $2 subject, $3 detail
select raise_alarm($1, $2, $3);

-- name: close_alarm
-- $1 kind, $2 subject
select close_alarm($1, $2);

-- name: add_audit
-- $1 actor, $2 action, $3 object, $4 detail (JSON)
insert into audit_log (actor, action, object, detail) values ($1, $2, $3, $4::jsonb);

-- name: database_generation
select generation from database_identity;
