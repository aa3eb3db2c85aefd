-- Text in two passes, its redaction, and what a leg's language is. Before the code that needs it. Forward only.

alter table call
    add column redact text[] not null default '{}',
    add column talk   jsonb;
comment on column call.redact is 'Kinds of text that must not be stored, as the queue''s policy asked when the call was routed.';
comment on column call.talk is 'Who spoke how long: written when the text of every recording of the call is final.';

alter table recording add column transcribed_at timestamptz;
comment on column recording.transcribed_at is
    'All speech in it is accounted for: text, suppressed with a rule, or failed with a reason. The story has transcript_ready.';
-- What was decoded before there was a final pass stays as it is.
update recording r set transcribed_at = coalesce(stopped_at, now())
where state in ('cut', 'archived', 'failed')
  and not exists (select from utterance u where u.recording_id = r.id and u.state in ('pending', 'claimed'));
create index on recording (node) where transcribed_at is null;

alter table utterance drop constraint utterance_state_check;
alter table utterance add constraint utterance_state_check
    check (state in ('pending', 'claimed', 'done', 'failed', 'shed'));
alter table utterance add column shed_at timestamptz;
comment on column utterance.state is
    'shed: its text would have come too late to be of use live; it is decoded after the call. done: decoded, live or in a window.';
comment on column utterance.shed_at is 'Stays when it has been decoded afterwards.';
drop index utterance_end_sample_idx;
create index on utterance (created_at, id) where state in ('pending', 'claimed', 'shed');
create index on utterance (done_at) where done_at is not null;
create index on utterance (shed_at) where shed_at is not null;

create table transcription (
    recording_id bigint not null references recording,
    leg          text not null check (leg in ('caller', 'agent')),
    language     text,
    heard        jsonb not null default '{}',
    state        text not null default 'live'
                 check (state in ('live', 'pending', 'claimed', 'done', 'failed', 'off')),
    fence        integer not null default 0,
    attempts     integer not null default 0,
    lease_until  timestamptz,
    worker       text,
    model        text,
    error        text,
    planned_at   timestamptz,
    done_at      timestamptz,
    primary key (recording_id, leg)
);
comment on table transcription is 'How the speech of one leg of a recording becomes text: its language, and its final pass.';
comment on column transcription.language is 'What is spoken, once we are sure.';
comment on column transcription.heard is 'Language -> evidence for it so far.';
comment on column transcription.state is
    'live: the call goes on; pending, claimed: its windows are to be decoded; done; failed: see error, the live text stands; off: no final pass is wanted.';
create index on transcription (planned_at) where state in ('pending', 'claimed');
create index on transcription (done_at) where done_at is not null;

create table speech_window (
    id           bigint generated always as identity primary key,
    recording_id bigint not null,
    leg          text not null,
    number       integer not null,
    rate         integer not null check (rate > 0),
    pieces       jsonb not null,
    utterances   bigint[] not null,
    state        text not null default 'pending' check (state in ('pending', 'done', 'failed')),
    attempts     integer not null default 0,
    error        text,
    foreign key (recording_id, leg) references transcription,
    unique (recording_id, leg, number)
);
comment on table speech_window is 'Neighbouring utterances of a leg that are decoded together, with the pauses between them: 30 s at most.';
comment on column speech_window.pieces is '[[first sample, one past the last], ...] of the recording; one after the other they are the window.';
comment on column speech_window.attempts is 'Times that decoding it was begun: one that ends its worker each time is parked.';

-- Unlogged, as utterance_audio: cut from the recording again after a crash.
create unlogged table window_audio (
    window_id bigint primary key,
    pcm       bytea not null
);
comment on table window_audio is 'Mono int16 little-endian at the window''s rate, until its leg has been decoded.';
create trigger notify_utterance after insert on window_audio
    for each statement execute function fsctl_notify('fsctl_utterance');

alter table segment
    add column words    jsonb,
    add column redacted text[] not null default '{}';
comment on column segment.words is '[[start_ms, end_ms, text, probability], ...], where the engine tells; milliseconds from the start of the recording.';
comment on column segment.redacted is 'Kinds of text that were replaced before it was stored.';
comment on column segment.superseded_by is 'The segment of the final pass that tells better what was said here.';
create index on segment (superseded_by) where superseded_by is not null;

create table redaction (
    recording_id bigint not null references recording,
    leg          text not null check (leg in ('caller', 'agent')),
    start_ms     integer not null,
    end_ms       integer not null,
    kind         text not null,
    pass         text not null check (pass in ('live', 'final')),
    silenced_at  timestamptz,
    primary key (recording_id, leg, start_ms, end_ms, kind),
    check (end_ms > start_ms)
);
comment on table redaction is 'Stretches of a recording in which something was said that must not be kept; the archived audio is silenced there.';
comment on column redaction.pass is
    'live: a guess, replaced by what the final pass finds; it counts when recording.transcribed_at is set, or not at all.';
create index on redaction (recording_id) where silenced_at is null;
