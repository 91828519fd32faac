-- Mails that came back to the bounce mailbox.

-- name: mail_with_bounce_token
-- $1 token
select id, customer_id, address from outbox where bounce_token = $1::uuid;

-- name: add_bounce
-- $1 outbox row, $2 file, $3 action, $4 status, $5 recipient, $6 diagnostic, $7 how many are kept of one mail.
-- Nothing is inserted if the file was stored before.
insert into bounces (outbox_id, source, action, status, recipient, diagnostic)
select $1, $2, $3, $4, $5, $6 where (select count(*) from bounces where outbox_id = $1) < $7
on conflict (source) do nothing
returning id;

-- name: mark_bounced
-- $1 outbox row. It came back for good: also if its relay's reply was lost, it is not tried again.
update outbox set state = 'bounced' where id = $1;
