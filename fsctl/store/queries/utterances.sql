-- Utterances: cut by the media reader, claimed and decoded by transcribers.

-- name: add_utterance
-- Cut twice (the reader was killed and read again) is stored once. Returns the id and what is still to do.
insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate)
values (%(recording_id)s, %(call_uuid)s, %(leg)s, %(start_sample)s, %(end_sample)s, %(rate)s)
on conflict (recording_id, leg, start_sample) do nothing
returning id;

-- name: add_audio
insert into utterance_audio (utterance_id, pcm) values (%(utterance_id)s, %(pcm)s)
on conflict (utterance_id) do nothing;

-- name: without_audio
-- Postgres crashed and the unlogged rows are gone: cut these from the recording again.
select u.id, u.leg, u.start_sample, u.end_sample, u.rate, coalesce(r.uri, r.path) as path
from utterance u join recording r on r.id = u.recording_id
where r.node = %(node)s and u.state in ('pending', 'claimed')
  and not exists (select from utterance_audio a where a.utterance_id = u.id)
order by u.id limit 100;

-- name: claim
-- Oldest end of speech first; a lease that ran out is claimed again with a new fence.
update utterance u
set state = 'claimed', worker = %(worker)s, fence = fence + 1, attempts = attempts + 1,
    lease_until = now() + make_interval(secs => %(lease_s)s)
from (
    select u2.id
    from utterance u2 join recording r on r.id = u2.recording_id
    where (u2.state = 'pending' or (u2.state = 'claimed' and u2.lease_until < now()))
      and exists (select from utterance_audio a where a.utterance_id = u2.id)
    order by r.started_at + make_interval(secs => u2.end_sample::double precision / u2.rate)
    limit %(limit)s
    for update of u2 skip locked
) picked
join utterance_audio a on a.utterance_id = picked.id
where u.id = picked.id
returning u.id, u.call_uuid, u.leg, u.start_sample, u.end_sample, u.rate, u.fence, u.attempts, a.pcm,
    (select language from call c where c.uuid = u.call_uuid) as language;

-- name: finish
-- Only the holder of the newest fence may finish; a worker that was thought dead is told 0 rows.
update utterance set state = 'done', done_at = now(), lease_until = null, error = null
where id = %(id)s and fence = %(fence)s and state = 'claimed';

-- name: give_back
-- Failed to decode: again later, or parked with its reason.
update utterance
set state = case when attempts >= %(max_attempts)s then 'failed' else 'pending' end,
    error = %(error)s, lease_until = null
where id = %(id)s and fence = %(fence)s and state = 'claimed';

-- name: drop_audio
delete from utterance_audio where utterance_id = %(id)s;

-- name: add_segment
insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, confidence, language, model, pass, suppressed_by)
values (%(utterance_id)s, %(call_uuid)s, %(leg)s, %(start_ms)s, %(end_ms)s, %(text)s, %(confidence)s,
        %(language)s, %(model)s, %(pass)s, %(suppressed_by)s)
on conflict (utterance_id, pass, start_ms) do nothing;

-- name: segments_of_call
-- What is shown: not superseded, not suppressed.
select * from segment
where call_uuid = %(call_uuid)s and superseded_by is null and suppressed_by is null
order by start_ms, id;

-- name: progress_of_call
-- Is the transcript whole? Every recording cut, every utterance decoded or parked.
select count(distinct r.id) as recordings,
       count(distinct r.id) filter (where r.state in ('cut', 'archived', 'failed')) as recordings_cut,
       count(u.id) as utterances,
       count(u.id) filter (where u.state = 'done') as done,
       count(u.id) filter (where u.state = 'failed') as failed
from recording r left join utterance u on u.recording_id = r.id
where r.call_uuid = %(call_uuid)s;
