-- Recordings: growing, cut, proven, archived; and the stretches in which an agent speaks.

-- name: adopt_recording
-- Found by its file: if its call has ended already, nobody else will say that it is closed.
insert into recording (call_uuid, node, path, started_at, state, stopped_at)
select uuid, %(node)s, %(path)s, %(started_at)s, case when phase = 'ended' then 'closed' else 'growing' end, ended_at
from call where uuid = %(call_uuid)s
on conflict (path) do nothing;

-- name: unseen_call
-- A file that no call claims and no ledger told of: the call began and ended while nobody listened.
insert into call (uuid, node, channel, phase, offered_at, ended_at, hangup_cause, disposition, fault, found, redact)
values (%(call_uuid)s, %(node)s, 'unknown', 'ended', %(started_at)s, %(ended_at)s, 'UNSEEN', 'failed', 'us', 'recording',
        %(redact)s)
on conflict (uuid) do nothing;

-- name: close_recording
update recording
set state = 'closed', stopped_at = coalesce(stopped_at, %(stopped_at)s), told_bytes = coalesce(told_bytes, %(told_bytes)s)
where call_uuid = %(call_uuid)s and state in ('growing', 'closed')
  and (%(path)s::text is null or path = %(path)s);

-- name: live_recordings
-- What the media reader of a node has to read, with what it must know of the call. As text: it asks twice a second,
-- and reads only what has changed.
select r.id, r.call_uuid, r.path, r.state, r.started_at, r.seams::text,
       c.phase = 'ended' as call_ended,
       coalesce((select jsonb_agg(jsonb_build_array(
                    (extract(epoch from g.started_at - r.started_at) * 1000000)::bigint,
                    (extract(epoch from g.ended_at - r.started_at) * 1000000)::bigint) order by g.started_at)
                 from recording_gap g where g.call_uuid = r.call_uuid and g.kind = 'pause'), '[]')::text as pauses,
       coalesce((select jsonb_agg(jsonb_build_array(
                    (extract(epoch from g.started_at - r.started_at) * 1000000)::bigint,
                    (extract(epoch from g.ended_at - r.started_at) * 1000000)::bigint) order by g.started_at)
                 from recording_gap g where g.call_uuid = r.call_uuid and g.kind = 'mask'), '[]')::text as masks,
       coalesce((select jsonb_agg(jsonb_build_array(
                    (extract(epoch from b.started_at - r.started_at) * 1000000)::bigint,
                    (extract(epoch from b.ended_at - r.started_at) * 1000000)::bigint) order by b.started_at)
                 from bridge b where b.call_uuid = r.call_uuid), '[]')::text as bridges
from recording r join call c on c.uuid = r.call_uuid
where r.node = %(node)s and r.state in ('growing', 'closed')
order by r.id;

-- name: known_names
-- By the file's name: FreeSWITCH may see the same folder under another path than we do.
select split_part(path, '/', -1) as name from recording
where node = %(node)s and split_part(path, '/', -1) = any(%(names)s);

-- name: describe_recording
update recording set rate = %(rate)s, channels = %(channels)s where id = %(id)s;

-- name: finish_recording
update recording set state = 'cut', bytes = %(bytes)s where id = %(id)s and state = 'closed';

-- name: fail_recording
-- With its line in the call's story, which is what the outbox reads.
with failed as (
    update recording set state = 'failed', error = %(error)s
    where id = %(id)s and state not in ('failed', 'archived')
    returning call_uuid, path
)
insert into call_event (call_uuid, at, kind, key, data)
select call_uuid, now(), 'recording_failed', path, jsonb_build_object('path', path, 'reason', %(error)s::text)
from failed
returning call_uuid;

-- name: known_recordings
-- Recordings with all that is known of them, the newest first; any of the four may be left open.
select r.id, r.call_uuid, r.path, r.source, r.started_at, r.stopped_at, r.rate, r.channels, r.bytes, r.state, r.uri,
       r.format, r.sha256, r.duration_ms, r.findings, r.error, r.node, r.told_bytes,
       c.offered_at, c.answered_at, c.ended_at, c.hangup_cause, c.consent, c.display_name,
       coalesce((select jsonb_agg(jsonb_build_array(
                    extract(epoch from b.started_at - r.started_at),
                    extract(epoch from b.ended_at - r.started_at)) order by b.started_at)
                 from bridge b where b.call_uuid = r.call_uuid), '[]') as bridges,
       coalesce((select jsonb_agg(jsonb_build_array(g.kind,
                    extract(epoch from g.started_at - r.started_at),
                    extract(epoch from g.ended_at - r.started_at), g.reason) order by g.started_at)
                 from recording_gap g where g.call_uuid = r.call_uuid), '[]') as gaps,
       coalesce((select jsonb_agg(jsonb_build_array(u.leg, u.start_sample, u.end_sample) order by u.start_sample, u.leg)
                 from utterance u where u.recording_id = r.id), '[]') as utterances
from recording r join call c on c.uuid = r.call_uuid
where (%(id)s::bigint is null or r.id = %(id)s)
  and (%(call_uuid)s::text is null or r.call_uuid = %(call_uuid)s)
  and (%(node)s::text is null or r.node = %(node)s)
  and (%(state)s::text is null or r.state = %(state)s)
order by r.id desc limit %(limit)s;

-- name: archive_recording
-- The archive has it. The story's line is what the outbox reads; the old file goes after this is committed.
with ready as (
    update recording
    set state = 'archived', uri = %(uri)s, format = %(format)s, sha256 = %(sha256)s, bytes = %(bytes)s,
        duration_ms = %(duration_ms)s, findings = %(findings)s, archived_at = now(), stale = %(stale)s
    where id = %(id)s and state = 'cut'
    returning call_uuid, path, uri, format, sha256, bytes, duration_ms, findings
), told as (
    -- Where something must not be kept, it is ready when that is silenced: redactions.silenced.
    insert into call_event (call_uuid, at, kind, key, data)
    select call_uuid, now(), 'recording_ready', path, to_jsonb(ready) - 'call_uuid'
    from ready join call c on c.uuid = ready.call_uuid
    where c.redact = '{}'
)
select call_uuid from ready;

-- name: stale_files
-- Replaced by the archive and not yet removed: the recorder was killed in between, or the file would not go.
select id, stale, uri, bytes from recording where node = %(node)s and stale is not null order by id limit 1000;

-- name: forget_stale
update recording set stale = null where id = %(id)s;

-- name: oldest_wav
-- What is compressed first when the disk fills.
select id, call_uuid, uri, sha256 from recording
where node = %(node)s and state = 'archived' and format = 'wav' and stale is null and id <> all(%(without)s::bigint[])
order by archived_at, id limit 1;

-- name: recompress
update recording
set uri = %(uri)s, format = %(format)s, sha256 = %(sha256)s, bytes = %(bytes)s, stale = %(stale)s
where id = %(id)s and state = 'archived' and uri = %(stale)s;

-- name: answered_without_audio
-- Calls that reached a queue or an agent, or were long enough to, and of which nothing was recorded.
select c.uuid, c.answered_at, c.ended_at from call c
where c.node = %(node)s and c.phase = 'ended' and c.answered_at is not null
  and c.ended_at between now() - interval '7 days' and now() - make_interval(secs => %(patience_s)s)
  and c.consent is distinct from 'refused' and c.consent is distinct from 'never'
  and (c.consent is not null or c.queued_at is not null or c.ended_at - c.answered_at > interval '30 seconds')
  and not exists (select from recording r where r.call_uuid = c.uuid and r.state <> 'failed')
  and not exists (select from alarm a where a.node = c.node and a.kind = 'no-audio' and a.subject = c.uuid)
order by c.ended_at limit 100;

-- name: open_gap
-- The first who says it gives the reason: whoever asks for it, then the switch's own word about it (calls.apply).
insert into recording_gap (call_uuid, kind, reason, started_at)
select %(call_uuid)s, %(kind)s, %(reason)s, %(at)s
where not exists (
    select from recording_gap g
    where g.call_uuid = %(call_uuid)s and g.kind = %(kind)s and g.started_at <= %(at)s
      and coalesce(g.ended_at, 'infinity') >= %(at)s)
on conflict (call_uuid, started_at) do nothing;

-- name: close_gap
update recording_gap set ended_at = %(at)s
where call_uuid = %(call_uuid)s and kind = %(kind)s and started_at <= %(at)s and ended_at is null;

-- name: forget_gap
delete from recording_gap where call_uuid = %(call_uuid)s and started_at = %(at)s and ended_at is null;

-- name: open_fork
-- A recording that we write ourselves, from websocket frames. No row: there is no such call, or it is over.
insert into recording (call_uuid, node, path, started_at, source)
select uuid, node, %(path)s, %(started_at)s, 'websocket'
from call where uuid = %(call_uuid)s and node = %(node)s and phase <> 'ended'
on conflict (path) do nothing
returning id;

-- name: standing_call
select uuid from call where uuid = %(call_uuid)s and node = %(node)s and phase <> 'ended';

-- name: recordings_of_call
select * from recording where call_uuid = %(call_uuid)s order by id;
