-- What webhooks tell: messages of every type with their statuses, reactions and edits; calls as Meta saw them; the account.
-- Facts of one thing come in any order and more than once, so each fact is a row of its own under a key of the fact's,
-- and what has met is joined afterwards (settled). Before the code that needs it. Forward only.

alter table message
    add column context    jsonb,
    add column extra      jsonb,
    add column wacid      text,
    add column first_body text,
    add column edited_at  timestamptz,
    add column deleted_at timestamptz;
comment on column message.body is 'Readable text whatever the type, as edited last; empty when its sender took it back.';
comment on column message.media is 'Reference to the file at Meta, with its caption: id, mime_type, sha256, ...; the file is not here.';
comment on column message.referral is 'The ad or post that led to it, as it came: ctwa_clid is the click, source_id the ad.';
comment on column message.context is 'What it answers or where it was forwarded from; id is the wamid, or the wacid, of what it answers.';
comment on column message.extra is 'What else was told: the object of its type, and fields that we do not know.';
comment on column message.wacid is 'The call that it belongs to: a voicemail.';
comment on column message.first_body is 'As it was before it was edited.';
create index on message (wacid) where wacid is not null;

create table message_status (
    wamid    text not null,
    status   text not null,
    rank     smallint not null,
    at       timestamptz not null,
    code     integer,
    title    text,
    data     jsonb not null default '{}',
    primary key (wamid, status)
);
comment on table message_status is 'What became of a message of ours: the status of the highest rank counts. The message may come later, or never.';
comment on column message_status.rank is 'Statuses are skipped, repeated and told in any order; none takes back a higher one.';

create table reaction (
    wamid     text primary key,
    target    text not null,
    direction text not null check (direction in ('inbound', 'outbound')),
    emoji     text not null,
    at        timestamptz not null
);
comment on table reaction is 'Of a message the last one of each side counts; an empty emoji takes it away.';
create index on reaction (target);

create table message_change (
    wamid      text primary key,
    target     text not null,
    kind       text not null check (kind in ('edit', 'delete')),
    at         timestamptz not null,
    body       text not null default '',
    media      jsonb,
    seen_at    timestamptz not null default now(),
    settled_at timestamptz
);
comment on table message_change is 'A message was edited or taken back by its sender. Taken back is for good; of edits the last counts, by the sender''s time.';
comment on column message_change.settled_at is 'When the message said so.';
create index on message_change (target);
create index on message_change (seen_at) where settled_at is null;

create table witness (
    wacid           text primary key,
    thread_id       bigint references thread,
    business_number text not null default '',
    direction       text not null default '' check (direction in ('', 'inbound', 'outbound')),
    aliases         jsonb not null default '[]',
    at              timestamptz not null,
    ended_at        timestamptz,
    status          text,
    duration_s      integer,
    events          jsonb not null default '{}',
    seen_at         timestamptz not null default now(),
    call_uuid       text references call,
    noted_at        timestamptz,
    alarmed_at      timestamptz
);
comment on table witness is 'Calls as Meta saw them: an independent witness of what FreeSWITCH told us, joined by wacid.';
comment on column witness.direction is 'inbound: the customer called.';
comment on column witness.aliases is 'Names of the customer, [[kind, value], ...], as the webhooks had them.';
comment on column witness.at is 'The earliest time that Meta names.';
comment on column witness.ended_at is 'Null: no terminate was told.';
comment on column witness.status is 'COMPLETED or FAILED, in the terminate.';
comment on column witness.duration_s is 'Only if it was picked up.';
comment on column witness.events is 'Event -> what was told of it: call_created, terminate, call_recording_available, ...';
comment on column witness.call_uuid is 'Our call; null: none of our nodes has it.';
comment on column witness.noted_at is 'When it was held beside the call, both ended; what differs was written into the story.';
comment on column witness.alarmed_at is 'When it was said that the call never reached us.';
create index on witness (thread_id, at);
create index on witness (call_uuid) where call_uuid is not null;
create index on witness (seen_at) where call_uuid is null;
create index on witness (seen_at) where call_uuid is not null and noted_at is null;
create trigger follow before insert or update of thread_id on witness
    for each row execute function fsctl_follow();

create table account_state (
    kind       text not null,
    subject    text not null,
    at         timestamptz not null,
    detail     text not null default '',
    data       jsonb not null,
    expires_at timestamptz,
    primary key (kind, subject)
);
comment on table account_state is 'The latest that Meta told of our numbers and account, by its own time; an alarm follows from it.';
comment on column account_state.detail is 'What is wrong; empty: nothing.';
create index on account_state (expires_at) where detail <> '' and expires_at is not null;

create table stray (
    id         bigint generated always as identity primary key,
    digest     bytea not null unique check (length(digest) = 32),
    field      text not null,
    reason     text not null,
    value      jsonb not null,
    came_at    timestamptz not null,
    created_at timestamptz not null default now()
);
comment on table stray is 'What webhooks told and nobody reads, or could be placed: kept as it came, and counted.';
comment on column stray.digest is 'SHA-256 of field and value: told twice, it stands once.';
create index on stray (field);
