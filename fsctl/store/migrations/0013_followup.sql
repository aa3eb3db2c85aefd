-- Missed calls that go on in the chat, and callbacks. Forward only.

create table followup (
    call_uuid  text primary key references call,
    thread_id  bigint,
    wacid      text,
    kind       text,
    outcome    text not null check (outcome in ('message', 'none')),
    reason     text not null,
    offer      text,
    outbox_key text unique,
    decided_at timestamptz not null,
    check ((outcome = 'message') = (outbox_key is not null))
);
comment on table followup is 'What was decided about a call that was missed, and why; one row a call, also when nothing was written.';
comment on column followup.offer is 'What the message offered: button, slot or none.';
create index on followup (thread_id, decided_at) where outcome = 'message';
create unique index on followup (wacid) where outcome = 'message';

-- A call that ended badly is looked for by time. Its last change names these columns anyhow.
create index on call (ended_at) where disposition <> 'answered' or fault = 'network';

create table callback (
    id         bigint generated always as identity primary key,
    call_uuid  text not null unique references call,
    thread_id  bigint not null,
    queue      text not null,
    starts_at  timestamptz not null,
    ends_at    timestamptz not null check (ends_at > starts_at),
    language   text,
    since      timestamptz,
    score      integer,
    state      text not null default 'booked' check (state in ('booked', 'cancelled', 'calling', 'called', 'offered', 'failed')),
    reason     text not null default '',
    payload    text,
    outbox_key text unique,
    booked_at  timestamptz not null,
    changed_at timestamptz not null
);
comment on table callback is 'A time that a customer chose on the page of a missed call; at that time we call, or the button is sent.';
comment on column callback.call_uuid is 'The missed call: its link books one callback.';
comment on column callback.since is 'When the customer first joined the queue: the place that is kept.';
comment on column callback.state is
    'calling: claimed to be called, and never called again; called: the customer took it; offered: the button is in the outbox; cancelled: by the customer; failed: see reason.';
comment on column callback.payload is 'Signed; the business call carries it, so that its row is found.';
create index on callback (queue, starts_at) where state = 'booked';
create index on callback (starts_at) where state in ('booked', 'calling');
create index on callback (thread_id);

-- A thread that became another one's since it was read: the row is the other one's.
create trigger follow before insert on followup for each row execute function fsctl_follow();
create trigger follow before insert on callback for each row execute function fsctl_follow();
