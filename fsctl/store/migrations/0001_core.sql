-- The slice: contacts and their threads, calls and their story, recordings, utterances, segments.
-- Before the code that needs it. Forward only.

create table contact (
    id           bigint generated always as identity primary key,
    display_name text not null default '',
    language     text,
    created_at   timestamptz not null default now()
);
comment on table contact is 'A customer. The key is ours: a phone number is only one of its names.';

create table alias (
    portfolio  text not null default '',
    kind       text not null check (kind in ('phone', 'wa_id', 'bsuid', 'username')),
    value      text not null,
    contact_id bigint not null references contact,
    created_at timestamptz not null default now(),
    primary key (portfolio, kind, value)
);
comment on table alias is 'A name the world has for a contact; unique per Meta business portfolio.';
create index on alias (contact_id);

create table thread (
    id              bigint generated always as identity primary key,
    contact_id      bigint not null references contact,
    business_number text not null,
    service_window_until timestamptz,
    created_at      timestamptz not null default now(),
    unique (contact_id, business_number)
);
comment on table thread is 'The chat of a contact with one of our numbers.';

create table message (
    id         bigint generated always as identity primary key,
    thread_id  bigint not null references thread,
    wamid      text not null unique,
    direction  text not null check (direction in ('inbound', 'outbound')),
    type       text not null default 'text',
    body       text not null default '',
    sent_at    timestamptz not null,
    media      jsonb,
    referral   jsonb,
    created_at timestamptz not null default now()
);
create index on message (thread_id, sent_at);

create table call (
    uuid             text primary key check (length(uuid) between 1 and 64),
    node             text not null,
    channel          text not null,
    phase            text not null check (phase in ('offered', 'answered', 'queued', 'ringing', 'talking', 'ended')),
    contact_id       bigint references contact,
    thread_id        bigint references thread,
    wacid            text,
    aliases          jsonb not null default '[]',
    display_name     text not null default '',
    to_number        text not null default '',
    cta_payload      text,
    deeplink_payload text,
    country          text,
    transport        text,
    queue            text,
    route_reason     text,
    language         text,
    agent            text,
    agent_uuid       text,
    offered_at       timestamptz not null,
    answered_at      timestamptz,
    queued_at        timestamptz,
    bridged_at       timestamptz,
    ended_at         timestamptz,
    member_cause     text,
    hangup_cause     text,
    disposition      text check (disposition in ('answered', 'abandoned', 'timed_out', 'refused', 'failed')),
    fault            text check (fault in ('nobody', 'caller', 'us', 'network')),
    encryption       text,
    mos              real,
    check ((phase = 'ended') = (ended_at is not null))
);
comment on table call is 'One customer conversation, keyed by the caller leg''s uuid.';
create index on call (thread_id, offered_at);
create index on call (node) where phase <> 'ended';
create index on call (wacid) where wacid is not null;

create table call_event (
    id        bigint generated always as identity primary key,
    call_uuid text not null references call,
    at        timestamptz not null,
    kind      text not null,
    key       text not null default '',
    data      jsonb not null default '{}',
    unique (call_uuid, kind, at, key)
);
comment on table call_event is 'The story of a call, append only. The same fact told twice stands once.';

create table bridge (
    call_uuid  text not null references call,
    agent_uuid text not null,
    agent      text not null,
    started_at timestamptz not null,
    ended_at   timestamptz,
    primary key (call_uuid, agent_uuid, started_at)
);
comment on table bridge is 'A stretch in which an agent''s leg hears the caller: only then is the right channel speech.';

create table recording (
    id         bigint generated always as identity primary key,
    call_uuid  text not null references call,
    node       text not null,
    path       text not null unique,
    state      text not null default 'growing' check (state in ('growing', 'closed', 'cut', 'failed')),
    started_at timestamptz not null,
    stopped_at timestamptz,
    rate       integer,
    channels   integer,
    bytes      bigint,
    error      text
);
comment on column recording.state is
    'growing: FreeSWITCH writes; closed: it has its final size; cut: every utterance in it is stored; failed: see error.';
create index on recording (node) where state in ('growing', 'closed');
create index on recording (call_uuid);

create table utterance (
    id           bigint generated always as identity primary key,
    recording_id bigint not null references recording,
    call_uuid    text not null references call,
    leg          text not null check (leg in ('caller', 'agent')),
    start_sample bigint not null check (start_sample >= 0),
    end_sample   bigint not null,
    rate         integer not null check (rate > 0),
    state        text not null default 'pending' check (state in ('pending', 'claimed', 'done', 'failed')),
    fence        integer not null default 0,
    attempts     integer not null default 0,
    lease_until  timestamptz,
    worker       text,
    error        text,
    created_at   timestamptz not null default now(),
    done_at      timestamptz,
    check (end_sample > start_sample),
    unique (recording_id, leg, start_sample)
);
comment on table utterance is 'A stretch of speech, in samples of its recording: it can be cut out of the file again.';
create index on utterance (end_sample) where state in ('pending', 'claimed');
create index on utterance (call_uuid);

-- Unlogged: cheap to write and gone after a crash, when the media reader cuts it from the recording again.
create unlogged table utterance_audio (
    utterance_id bigint primary key,
    pcm          bytea not null
);
comment on table utterance_audio is 'Mono int16 little-endian at the utterance''s rate, until it has been decoded.';

create table segment (
    id            bigint generated always as identity primary key,
    utterance_id  bigint not null references utterance,
    call_uuid     text not null references call,
    leg           text not null check (leg in ('caller', 'agent')),
    start_ms      integer not null,
    end_ms        integer not null,
    text          text not null,
    confidence    real,
    language      text,
    model         text not null,
    pass          text not null default 'live' check (pass in ('live', 'final')),
    superseded_by bigint references segment,
    suppressed_by text,
    created_at    timestamptz not null default now(),
    unique (utterance_id, pass, start_ms)
);
comment on column segment.start_ms is 'Milliseconds from the start of the recording.';
comment on column segment.suppressed_by is 'The rule of the guard that says this was not spoken; such text is not shown.';
create index on segment (call_uuid, start_ms);

-- Wake-ups. The payload is empty on purpose: a listener that was away has missed it, so it re-reads by cursor.
create function fsctl_notify() returns trigger language plpgsql as $$
begin
    perform pg_notify(tg_argv[0], '');
    return null;
end $$;

create trigger notify_story after insert on call_event
    for each statement execute function fsctl_notify('fsctl_story');
create trigger notify_story after insert on segment
    for each statement execute function fsctl_notify('fsctl_story');
create trigger notify_utterance after insert on utterance_audio
    for each statement execute function fsctl_notify('fsctl_utterance');
