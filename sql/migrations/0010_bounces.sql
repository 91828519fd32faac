-- Mails that came back. Each mail leaves with an envelope sender of its own, which holds a token that cannot be guessed: without it
-- nobody can say that a mail came back.

alter table outbox add column bounce_token uuid not null default gen_random_uuid();
create unique index on outbox (bounce_token);
alter table outbox drop constraint outbox_state_check;
alter table outbox add constraint outbox_state_check check (state in ('pending', 'sending', 'sent', 'failed', 'bounced'));

alter table bounces alter column outbox_id set not null;
alter table bounces add column source text not null unique;  -- the file's name in the mailbox: each is counted once
alter table bounces add column action text not null check (action in ('failed', 'delayed'));  -- RFC 3464
alter table bounces add column status text not null;     -- "5.1.1"
alter table bounces add column recipient text not null;  -- as the other server names it
create index on bounces (outbox_id);
