-- What is to be sent to Meta, and what became of it. Before the code that needs it. Forward only.

create table outbox (
    id          bigint generated always as identity primary key,
    key         text not null unique,
    kind        text not null,
    thread_id   bigint references thread,
    payload     jsonb not null,
    why         text not null default '',
    state       text not null default 'pending'
                check (state in ('pending', 'claimed', 'sent', 'unsure', 'failed', 'cancelled')),
    not_before  timestamptz not null,
    expires_at  timestamptz not null,
    attempts    integer not null default 0,
    fence       integer not null default 0,
    worker      text,
    claimed_at  timestamptz,
    lease_until timestamptz,
    tried_at    timestamptz,
    form        text check (form in ('message', 'template')),
    wamid       text,
    told        smallint not null default -1,
    is_doubtful boolean not null default false,
    code        integer not null default 0,
    reason      text not null default '',
    created_at  timestamptz not null default now(),
    settled_at  timestamptz
);
comment on table outbox is 'Each row is sent once or has a reason why not. Written in the transaction of the fact that wants it.';
comment on column outbox.key is 'Names that fact; Meta hands it back in the webhooks of a message.';
comment on column outbox.state is
    'pending; claimed: a sender may be at it; sent: Meta has it; unsure: it may have left, only a webhook can tell; failed: see reason; cancelled: by a person.';
comment on column outbox.fence is 'Counts the claims: what an older one brings back is not taken.';
comment on column outbox.tried_at is 'When the last try was over.';
comment on column outbox.form is 'What the last try sent of the payload; null: nothing, the service window was closed.';
comment on column outbox.told is 'Rank of the furthest status that a webhook told of it (store/messages.py); -1: none.';
comment on column outbox.is_doubtful is 'It may have been sent, and no webhook has said so: not sent again but by a person.';
comment on column outbox.code is 'Meta''s error code; 0: none.';
comment on column outbox.settled_at is 'When it became sent, failed or cancelled.';
create index on outbox (id) where state = 'pending';
create index on outbox (thread_id, kind) where state in ('pending', 'claimed');
create index on outbox (thread_id, tried_at);
create index on outbox (tried_at);
create index on outbox (tried_at) where state = 'unsure';
create index on outbox (lease_until) where state = 'claimed';
create index on outbox (settled_at) where state = 'failed';
create index on outbox (wamid) where wamid is not null;
create trigger follow before insert on outbox for each row execute function fsctl_follow();
create trigger notify_outbox after insert on outbox
    for each statement execute function fsctl_notify('fsctl_outbox');

create table outbox_pause (
    number text primary key,
    until  timestamptz not null,
    code   integer not null,
    reason text not null
);
comment on table outbox_pause is 'Business numbers from which Meta takes nothing for a while.';
