-- Webhooks as they came, before anything is made of them. Before the code that needs it. Forward only.

create table inbox (
    id          bigint generated always as identity primary key,
    digest      bytea not null unique check (length(digest) = 32),
    body        bytea not null,
    received_at timestamptz not null,
    state       text not null default 'waiting' check (state in ('waiting', 'done', 'failed')),
    reason      text,
    tries       integer not null default 0,
    done_at     timestamptz
);
comment on table inbox is 'Each POST of Meta, byte for byte. The same bytes twice are one row: Meta sends again for up to 7 days.';
comment on column inbox.digest is 'SHA-256 of what came.';
comment on column inbox.body is 'Empty once it is done and no longer kept: what must not be stored may be in it.';
comment on column inbox.received_at is 'When it was answered with 200, which may be long before it stood here: Postgres was away.';
comment on column inbox.state is 'failed: see reason; kept until somebody has it tried again.';
create index on inbox (id) where state = 'waiting';
create index on inbox (id) where state = 'failed';
create index on inbox (done_at) where state = 'done' and body <> '';
