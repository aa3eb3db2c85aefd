-- Utterances: cut by the media reader, claimed and decoded by transcribers.

-- name: store
-- What was cut in a round, of any recordings, with its audio and from where to read on. Cut twice (the reader was
-- killed and read again) is stored once. All audio is one value, for an array of it would be escaped byte by byte;
-- all else is one value too, for arrays cost the reader more to write than all that is in them is worth.
-- What is no speech for a reason is done at once, and keeps no audio.
with kept as (
    update recording r set seams = r.seams || told.value
    from jsonb_each(%(seams)s) as told
    where r.id = told.key::bigint
), cut as (
    select * from jsonb_to_recordset(%(cuts)s) as cut(
        recording_id bigint, leg text, start_sample bigint, end_sample bigint, rate integer, reason text,
        place integer, size integer)
), added as (
    insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate, state, done_at, error)
    select r.id, r.call_uuid, cut.leg, cut.start_sample, cut.end_sample, cut.rate,
           case when cut.reason is null then 'pending' else 'done' end,
           case when cut.reason is not null then now() end, cut.reason
    from cut join recording r on r.id = cut.recording_id
    order by r.id, cut.leg, cut.start_sample
    on conflict (recording_id, leg, start_sample) do nothing
    returning id, recording_id, leg, start_sample
)
insert into utterance_audio (utterance_id, pcm)
select added.id, substring(%(pcm)s::bytea from cut.place + 1 for cut.size)
from added join cut using (recording_id, leg, start_sample)
where cut.reason is null
on conflict (utterance_id) do nothing;

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

-- name: waiting
-- What can be claimed; a lease that ran out is over. Those of live calls first: the text of a call that has ended is
-- in no hurry.
select u.id, u.call_uuid, u.leg, (u.end_sample - u.start_sample)::double precision / u.rate as seconds,
       extract(epoch from now() - u.created_at)::double precision as age_s, u.attempts,
       r.state in ('growing', 'closed') as live
from utterance u join recording r on r.id = u.recording_id
where (u.state = 'pending' or (u.state = 'claimed' and u.lease_until < now()))
  and exists (select from utterance_audio a where a.utterance_id = u.id)
order by r.state not in ('growing', 'closed'), u.created_at, u.id
limit %(limit)s;

-- name: claim
-- With a new fence. What another worker takes at this moment is passed over.
with picked as (
    select u.id from utterance u
    where u.id = any(%(ids)s) and (u.state = 'pending' or (u.state = 'claimed' and u.lease_until < now()))
    order by u.id for update skip locked
), taken as (
    update utterance u
    set state = 'claimed', worker = %(worker)s, fence = fence + 1, attempts = attempts + 1,
        lease_until = now() + make_interval(secs => %(lease_s)s)
    from picked join utterance_audio a on a.utterance_id = picked.id
    where u.id = picked.id
    returning u.id, u.recording_id, u.call_uuid, u.leg, u.start_sample, u.end_sample, u.rate, u.fence, u.attempts, a.pcm
)
select taken.*, t.language as of_leg, c.language as of_call, c.spoken, coalesce(t.heard, '{}') as heard,
       c.redact, c.display_name,
       array(select m.body from message m where m.thread_id = c.thread_id and %(messages)s::integer > 0
             order by m.sent_at desc limit %(messages)s) as messages
from taken join call c on c.uuid = taken.call_uuid
left join transcription t on t.recording_id = taken.recording_id and t.leg = taken.leg;

-- name: shed
-- Only while the call goes on: afterwards there is time.
with picked as (
    select u.id from utterance u join recording r on r.id = u.recording_id
    where u.id = any(%(ids)s) and u.state = 'pending' and r.state in ('growing', 'closed')
    order by u.id for update of u skip locked
)
update utterance u set state = 'shed', shed_at = now() from picked where u.id = picked.id;

-- name: unshed
-- The calls are over and no final pass is wanted: the sweep.
update utterance u set state = 'pending'
from recording r, transcription t
where u.state = 'shed' and r.id = u.recording_id and r.node = %(node)s
  and t.recording_id = u.recording_id and t.leg = u.leg and t.state in ('off', 'failed');

-- name: finish
-- Only the holder of the newest fence may finish; a worker that was thought dead is told no row.
update utterance u set state = 'done', done_at = now(), lease_until = null, error = null
where id = %(id)s and fence = %(fence)s and state = 'claimed'
returning exists (select from transcription t
                  where t.recording_id = u.recording_id and t.leg = u.leg and t.state in ('off', 'failed')) as settles;

-- name: give_back
-- Failed to decode: again later, or parked with its reason.
update utterance u
set state = case when attempts >= %(max_attempts)s then 'failed' else 'pending' end,
    error = %(error)s, lease_until = null
where id = %(id)s and fence = %(fence)s and state = 'claimed'
returning exists (select from transcription t
                  where t.recording_id = u.recording_id and t.leg = u.leg and t.state in ('off', 'failed')) as settles;

-- name: leave
update utterance set state = 'pending', attempts = attempts - 1, lease_until = null
where id = %(id)s and fence = %(fence)s and state = 'claimed';

-- name: park
update utterance u set state = 'failed', error = coalesce(error, %(error)s), lease_until = null
where id = any(%(ids)s) and state = 'claimed' and lease_until < now() and attempts >= %(max_attempts)s
returning recording_id, exists (select from transcription t
                  where t.recording_id = u.recording_id and t.leg = u.leg and t.state in ('off', 'failed')) as settles;

-- name: give_up
-- Of recordings of which there is nothing to be had any more: what cannot be cut again.
update utterance u set state = 'failed', error = 'its recording failed: ' || coalesce(r.error, '?'), lease_until = null
from recording r
where r.id = u.recording_id and r.node = %(node)s and r.state = 'failed' and r.transcribed_at is null
  and u.state in ('pending', 'claimed', 'shed')
  and not exists (select from utterance_audio a where a.utterance_id = u.id)
returning u.recording_id;

-- name: drop_audio
delete from utterance_audio where utterance_id = any(%(ids)s);

-- name: hear
-- Evidence for a language, from any worker.
insert into transcription (recording_id, leg, heard, language)
values (%(recording_id)s, %(leg)s, jsonb_build_object(%(language)s::text, %(weight)s::double precision), %(sure)s)
on conflict (recording_id, leg) do update set
    heard = transcription.heard || jsonb_build_object(%(language)s::text,
        coalesce((transcription.heard ->> %(language)s)::double precision, 0) + %(weight)s::double precision),
    language = coalesce(transcription.language, excluded.language);

-- name: progress_of_call
-- Is the transcript whole? All speech of every recording accounted for.
select count(distinct r.id) as recordings,
       count(distinct r.id) filter (where r.state in ('cut', 'archived', 'failed')) as recordings_cut,
       count(u.id) as utterances,
       count(u.id) filter (where u.state = 'done') as done,
       count(u.id) filter (where u.state = 'failed') as failed,
       count(u.id) filter (where u.state = 'shed') as shed,
       count(distinct r.id) filter (where r.transcribed_at is not null) as transcribed
from recording r left join utterance u on u.recording_id = r.id
where r.call_uuid = %(call_uuid)s;
