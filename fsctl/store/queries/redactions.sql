-- Stretches of recordings in which something was said that must not be kept.

-- name: due
-- Archived recordings of calls of which something must not be stored, and of which all text is known, that are not yet
-- silenced, or not yet said to be ready. Speech that could not be decoded may hold anything: it goes whole.
with held as (
    select r.* from recording r join call c on c.uuid = r.call_uuid
    where r.node = %(node)s and r.state = 'archived' and r.transcribed_at is not null and r.stale is null
      and c.redact <> '{}'
      and (exists (select from redaction d where d.recording_id = r.id and d.silenced_at is null)
           or not exists (select from call_event e
                          where e.call_uuid = r.call_uuid and e.kind = 'recording_ready' and e.key = r.path))
    order by r.id limit 100
)
select h.id, h.call_uuid, h.path, h.uri, h.format, h.sha256, c.offered_at,
       (select coalesce(jsonb_agg(jsonb_build_array(s.leg, s.start_ms, s.end_ms) order by s.start_ms, s.leg), '[]')
        from (select d.leg, d.start_ms, d.end_ms from redaction d where d.recording_id = h.id and d.silenced_at is null
              union
              select u.leg, (u.start_sample * 1000 / u.rate)::int, (u.end_sample * 1000 / u.rate)::int + 1
              from utterance u where u.recording_id = h.id and u.state = 'failed') s) as spans
from held h join call c on c.uuid = h.call_uuid
order by h.id;

-- name: overdue
-- Archived, of a call of which something must not be stored, and its text is not known: nobody may hear it yet.
select r.call_uuid from recording r join call c on c.uuid = r.call_uuid
where r.node = %(node)s and r.state = 'archived' and r.transcribed_at is null and c.redact <> '{}'
  and r.archived_at < now() - make_interval(secs => %(patience_s)s)
  and not exists (select from alarm a
                  where a.node = r.node and a.kind = 'redaction' and a.subject = r.call_uuid and a.cleared_at is null)
order by r.id limit 100;

-- name: silenced
-- In one transaction with the audit. The old file goes afterwards, as every file that the archive has replaced.
with now_there as (
    update recording
    set uri = %(uri)s, sha256 = %(sha256)s, bytes = %(bytes)s,
        stale = case when uri = %(uri)s then stale else uri end
    where id = %(id)s and sha256 = %(old_sha256)s and uri = %(old_uri)s
    returning id, call_uuid, path, uri, format, sha256, bytes, duration_ms, findings
), done as (
    update redaction d set silenced_at = now()
    from now_there n
    where d.recording_id = n.id and d.silenced_at is null
      and jsonb_build_array(jsonb_build_array(d.leg, d.start_ms, d.end_ms)) <@ %(spans)s
), told as (
    -- The story's line is what the outbox reads: only now may anybody have the recording.
    insert into call_event (call_uuid, at, kind, key, data)
    select call_uuid, now(), 'recording_ready', path, to_jsonb(n) - 'call_uuid' - 'id' from now_there n
)
select id from now_there;
