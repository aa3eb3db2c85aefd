-- Queues, agents, routing, quality: what issue "WhatsApp calls in the queue" knows of a call. Forward only.

alter table contact add column vip boolean not null default false;
comment on column contact.vip is 'Set by people; a routing rule may look at it.';

alter table call
    add column request_params    jsonb not null default '{}',
    add column payload_trusted   boolean not null default false,
    add column score             integer,
    add column sticky_agent      text,
    add column skill             text,
    add column expected_wait_s   integer,
    add column answer_within_s   integer,
    add column consent           text check (consent in ('disclosed', 'given', 'refused', 'always', 'never')),
    add column refused           text,
    add column left_by           text check (left_by in ('chat', 'timeout', 'no-agents', 'closed')),
    add column loss_percent      real,
    add column jitter_ms         real,
    add column member_uuid       text;
alter table call drop constraint call_disposition_check;
alter table call add constraint call_disposition_check
    check (disposition in ('answered', 'abandoned', 'timed_out', 'closed', 'continued_in_chat', 'refused', 'failed'));
comment on column call.request_params is 'Parameters of the request URI''s user: Meta''s request_uri_user_params.';
comment on column call.payload_trusted is 'The payload carries our own signature; else it is a hint.';
comment on column call.score is 'Place in the queue: mod_callcenter''s base score.';
comment on column call.answer_within_s is 'The queue''s service level at the time of the call.';
comment on column call.refused is 'Why the dialplan did not let the call through: no-tls, no-srtp, pstn, number.';
comment on column call.left_by is 'How the path ended when it was not an agent.';
create index on call (queue, queued_at) where queued_at is not null;
-- For the handling time of a queue's last answered calls: one that is never answered would be read whole.
create index on call (queue, queued_at) where bridged_at is not null and ended_at is not null;
create index on call (contact_id, bridged_at) where bridged_at is not null;
-- The controller wakes those who watch, after its commit: a notification within it made commits wait for each other.
drop trigger notify_story on call_event;
-- For those who watch which phones ring.
create index on call_event (id) where kind = 'agent_offered';

create table agent (
    node         text not null,
    name         text not null,
    status       text not null,
    state        text not null,
    contact      text not null default '',
    registered   boolean,
    wrap_up_s    integer not null default 0,
    wrap_up_set_s integer,
    wrap_up_back_s integer,
    last_bridge_end timestamptz,
    ready_at     timestamptz,
    status_since timestamptz,
    put_away_at  timestamptz,
    put_away_from text,
    updated_at   timestamptz not null default now(),
    primary key (node, name)
);
comment on table agent is 'mod_callcenter''s agents as last read; the switch is the truth.';
comment on column agent.registered is 'Null where the contact is not a registered phone, so that nobody can say.';
comment on column agent.wrap_up_set_s is 'Set by a person; wins over what the config says of the queues.';
comment on column agent.wrap_up_back_s is 'Where it goes back to: a person ended one wrap-up early.';
comment on column agent.ready_at is 'Offered no call before this: after one that was rejected or not answered.';
comment on column agent.put_away_at is
    'Set On Break by us then, because the phone was gone; as long as it equals status_since nobody changed it.';
comment on column agent.put_away_from is 'The status the agent gets back.';

create table tier (
    node     text not null,
    queue    text not null,
    agent    text not null,
    level    integer not null,
    position integer not null,
    state    text not null,
    primary key (node, queue, agent)
);
comment on table tier is 'mod_callcenter''s tiers as last read.';

create table queue (
    node         text not null,
    name         text not null,
    waiting      integer not null,
    longest_since timestamptz,
    agents_staffed integer not null,
    agents_ready integer not null,
    updated_at   timestamptz not null default now(),
    primary key (node, name)
);
comment on table queue is 'Load of each queue as last read.';
comment on column queue.agents_staffed is 'Agents with a tier whose status lets them take calls.';
comment on column queue.agents_ready is 'Of these, who could take one now.';

create table audit (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default now(),
    who     text not null,
    node    text,
    action  text not null,
    subject text not null,
    detail  jsonb not null default '{}',
    result  text not null default ''
);
comment on table audit is 'What was done or refused, by whom, and how it went. Append only.';
create index on audit (at);
create index on audit (action, at);
