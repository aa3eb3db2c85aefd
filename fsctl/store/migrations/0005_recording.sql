-- What becomes of a recording: where it lies, what it is worth, how far it was read; and what went wrong. Forward only.

alter table recording drop constraint recording_state_check;
alter table recording add constraint recording_state_check
    check (state in ('growing', 'closed', 'cut', 'archived', 'failed'));
alter table recording
    add column source      text not null default 'spool' check (source in ('spool', 'websocket')),
    add column told_bytes  bigint,
    add column seams       jsonb not null default '{}',
    add column uri         text,
    add column format      text check (format in ('wav', 'flac', 'opus')),
    add column sha256      text,
    add column duration_ms bigint,
    add column findings    jsonb not null default '[]',
    add column archived_at timestamptz,
    add column stale       text;
comment on column recording.state is
    'growing: it is written; closed: it has its final size; cut: every utterance in it is stored; archived: see uri; failed: see error.';
comment on column recording.source is 'spool: FreeSWITCH writes the file; websocket: we write it from the frames it sends.';
comment on column recording.told_bytes is 'The file''s size in FreeSWITCH''s own words, at RECORD_STOP.';
comment on column recording.seams is
    '"LEG:FIRST SAMPLE OF ITS WINDOW" -> a sample before which everything is stored, and from which reading begins anew.';
comment on column recording.uri is 'Where the archive has it: a path, or an address that fsspec knows.';
comment on column recording.sha256 is 'Of the archived bytes.';
comment on column recording.bytes is 'Of the archived file; before, of the file in the spool.';
comment on column recording.findings is 'What was wrong or noteworthy: [{code, severity, text}].';
comment on column recording.stale is 'A file that the archive has replaced and that is still to be removed.';
create index on recording (node) where state = 'cut' or stale is not null;
create index on recording (node, split_part(path, '/', -1));
create index on recording (archived_at) where state = 'archived' and format = 'wav';

create table recording_gap (
    call_uuid  text not null references call,
    kind       text not null check (kind in ('pause', 'mask')),
    reason     text not null,
    started_at timestamptz not null,
    ended_at   timestamptz,
    primary key (call_uuid, started_at)
);
comment on table recording_gap is
    'A stretch that is not recorded on purpose. FreeSWITCH tells nobody: who sends uuid_record pause or mask writes it.';
comment on column recording_gap.kind is 'pause: the file does not grow meanwhile; mask: silence is written.';

create table alarm (
    id         bigint generated always as identity primary key,
    node       text not null,
    kind       text not null,
    subject    text not null,
    detail     text not null,
    raised_at  timestamptz not null default now(),
    cleared_at timestamptz,
    unique (node, kind, subject)
);
comment on table alarm is 'What somebody must look at. Raised once for each subject; raised again if it comes back.';
create index on alarm (raised_at) where cleared_at is null;
