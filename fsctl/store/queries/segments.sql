-- Segments, redactions, and the moment at which a recording has all its text.

-- name: add_segments
insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, confidence, language, model, pass,
                     suppressed_by, words, redacted)
select utterance_id, call_uuid, leg, start_ms, end_ms, text, confidence, language, model, pass,
       suppressed_by, words, redacted
from jsonb_populate_recordset(null::segment, %(segments)s)
on conflict (utterance_id, pass, start_ms) do nothing;

-- name: add_redactions
insert into redaction (recording_id, leg, start_ms, end_ms, kind, pass)
select recording_id, leg, start_ms, end_ms, kind, pass
from jsonb_populate_recordset(null::redaction, %(redactions)s)
on conflict (recording_id, leg, start_ms, end_ms, kind) do nothing;

-- name: supersede
-- Lineage: each live segment of these utterances points to the final one that it shares most time with, else the nearest.
update segment live
set superseded_by = (
    select final.id from segment final join utterance u on u.id = final.utterance_id
    where u.recording_id = %(recording_id)s and u.leg = %(leg)s and final.pass = 'final'
    order by least(final.end_ms, live.end_ms) - greatest(final.start_ms, live.start_ms) desc, final.id limit 1)
where live.utterance_id = any(%(utterances)s) and live.pass = 'live' and live.superseded_by is null;

-- name: lock_recording
select id from recording where id = %(recording_id)s for update;

-- name: settle
-- All utterances decoded or parked, no leg's final pass to come.
with ready as (
    update recording r set transcribed_at = now()
    where r.id = %(recording_id)s and r.transcribed_at is null and r.state in ('cut', 'archived', 'failed')
      and not exists (select from utterance u where u.recording_id = r.id and u.state in ('pending', 'claimed', 'shed'))
      and not exists (select from transcription t
                      where t.recording_id = r.id and t.state in ('live', 'pending', 'claimed'))
    returning r.id, r.call_uuid, r.path, r.error
)
insert into call_event (call_uuid, at, kind, key, data)
select ready.call_uuid, now(), 'transcript_ready', ready.path, jsonb_build_object(
    'path', ready.path, 'recording_id', ready.id, 'reason', ready.error,
    'utterances', (select count(*) from utterance u where u.recording_id = ready.id),
    'failed', (select count(*) from utterance u where u.recording_id = ready.id and u.state = 'failed'),
    'segments', (select count(*) from segment s join utterance u on u.id = s.utterance_id
                 where u.recording_id = ready.id and s.superseded_by is null and s.suppressed_by is null),
    'suppressed', (select count(*) from segment s join utterance u on u.id = s.utterance_id
                   where u.recording_id = ready.id and s.superseded_by is null and s.suppressed_by is not null),
    'final', exists (select from transcription t where t.recording_id = ready.id and t.state = 'done'))
from ready
on conflict (call_uuid, kind, at, key) do nothing
returning call_uuid;

-- name: segments_of_call
-- What is shown: not superseded, not suppressed. Milliseconds from the start of the call's first recording.
select s.id, s.leg, s.start_ms + o.ms as start_ms, s.end_ms + o.ms as end_ms, s.text, s.confidence, s.language, s.pass,
       s.model, s.redacted
from segment s
join utterance u on u.id = s.utterance_id
join recording r on r.id = u.recording_id
cross join lateral (
    select (extract(epoch from r.started_at - min(first.started_at)) * 1000)::integer as ms
    from recording first where first.call_uuid = r.call_uuid) o
where s.call_uuid = %(call_uuid)s and s.superseded_by is null and s.suppressed_by is null
order by start_ms, s.id;

-- name: call_to_measure
-- Of a call whose recordings all have their text: its length, in milliseconds from its first recording on.
select c.uuid,
       max(coalesce(r.duration_ms, (extract(epoch from r.stopped_at - r.started_at) * 1000)::bigint, 0)
           + (extract(epoch from r.started_at - o.began) * 1000)::bigint) as duration_ms
from call c join recording r on r.call_uuid = c.uuid
cross join lateral (select min(started_at) as began from recording first where first.call_uuid = c.uuid) o
where c.uuid = (select call_uuid from recording where id = %(recording_id)s)
group by c.uuid having bool_and(r.transcribed_at is not null);

-- name: keep_talk
update call set talk = %(talk)s where uuid = %(call_uuid)s;

-- name: others
-- What the other leg of a recording said.
select s.end_ms, s.text from segment s join utterance u on u.id = s.utterance_id
where u.recording_id = %(recording_id)s and u.leg <> %(leg)s and s.superseded_by is null and s.suppressed_by is null
order by s.start_ms;
