-- The final pass: legs planned, claimed, decoded; and how the transcribers keep up.

-- name: to_plan
-- Without what was known to be no speech when it was cut (done, with the reason in error).
select r.id, r.call_uuid, r.rate, r.state,
       coalesce((select jsonb_agg(jsonb_build_array(
                    (extract(epoch from g.started_at - r.started_at) * 1000000)::bigint,
                    (extract(epoch from g.ended_at - r.started_at) * 1000000)::bigint) order by g.started_at)
                 from recording_gap g where g.call_uuid = r.call_uuid and g.kind = 'pause'), '[]') as pauses,
       coalesce((select jsonb_agg(jsonb_build_array(
                    (extract(epoch from g.started_at - r.started_at) * 1000000)::bigint,
                    (extract(epoch from g.ended_at - r.started_at) * 1000000)::bigint) order by g.started_at)
                 from recording_gap g where g.call_uuid = r.call_uuid and g.kind = 'mask'), '[]') as masks,
       coalesce((select jsonb_agg(jsonb_build_array(
                    (extract(epoch from b.started_at - r.started_at) * 1000000)::bigint,
                    (extract(epoch from b.ended_at - r.started_at) * 1000000)::bigint) order by b.started_at)
                 from bridge b where b.call_uuid = r.call_uuid), '[]') as bridges,
       coalesce((select jsonb_agg(jsonb_build_array(u.id, u.leg, u.start_sample, u.end_sample) order by u.start_sample)
                 from utterance u where u.recording_id = r.id and (u.state <> 'done' or u.error is null)), '[]') as utterances
from recording r
where r.node = %(node)s and r.transcribed_at is null and r.state in ('cut', 'archived', 'failed')
  and not exists (select from transcription t where t.recording_id = r.id and t.state <> 'live')
order by r.id limit %(limit)s;

-- name: lock_unplanned
select r.id from recording r
where r.id = %(recording_id)s and r.transcribed_at is null
  and not exists (select from transcription t where t.recording_id = r.id and t.state <> 'live')
for update;

-- name: plan
insert into transcription (recording_id, leg, state, planned_at)
select %(recording_id)s, leg, %(state)s, now() from unnest(%(legs)s::text[]) as leg
on conflict (recording_id, leg) do update set state = excluded.state, planned_at = excluded.planned_at;

-- name: add_windows
insert into speech_window (recording_id, leg, number, rate, pieces, utterances)
select recording_id, leg, number, rate, pieces, utterances
from jsonb_populate_recordset(null::speech_window, %(windows)s);

-- name: give_up
-- The recording failed after its final pass was planned, and its audio is gone: the live text stands.
update transcription t set state = 'failed', error = 'its recording failed: ' || coalesce(r.error, '?'), done_at = now(),
    lease_until = null
from recording r
where r.id = t.recording_id and r.node = %(node)s and r.state = 'failed' and r.transcribed_at is null
  and t.state = 'pending'
  and exists (select from speech_window w where w.recording_id = t.recording_id and w.leg = t.leg
              and w.state = 'pending' and not exists (select from window_audio a where a.window_id = w.id))
returning t.recording_id;

-- name: without_audio
-- Of the oldest leg that lacks any: all of it, since only a whole leg is claimed. None while more windows than the limit
-- wait with their audio, unless the leg is begun.
with lacking as (
    select t.recording_id, t.leg from transcription t
    join recording r on r.id = t.recording_id and r.node = %(node)s and r.state <> 'failed'
    where t.state in ('pending', 'claimed') and t.recording_id <> all(%(skip)s::bigint[])
      and exists (
          select from speech_window w where w.recording_id = t.recording_id and w.leg = t.leg and w.state = 'pending'
            and not exists (select from window_audio a where a.window_id = w.id))
    order by t.planned_at, t.recording_id, t.leg limit 1
), held as (
    select count(*) as windows, count(*) filter (where l.leg is not null) as begun
    from window_audio a join speech_window w on w.id = a.window_id
    join recording r on r.id = w.recording_id and r.node = %(node)s
    left join lacking l on l.recording_id = w.recording_id and l.leg = w.leg
)
select w.id, w.recording_id, w.leg, w.pieces, coalesce(r.uri, r.path) as path
from lacking l join recording r on r.id = l.recording_id cross join held
join speech_window w on w.recording_id = l.recording_id and w.leg = l.leg and w.state = 'pending'
where (held.windows < %(limit)s or held.begun > 0)
  and not exists (select from window_audio a where a.window_id = w.id)
order by w.number;

-- name: add_audio
-- Not for a window whose leg was decoded meanwhile: nobody would remove it.
insert into window_audio (window_id, pcm)
select id, %(pcm)s from speech_window where id = %(window_id)s and state = 'pending'
on conflict (window_id) do nothing;

-- name: claim
-- The oldest leg of which every window that is to be decoded has its audio.
with picked as (
    select t.recording_id, t.leg from transcription t
    where (t.state = 'pending' or (t.state = 'claimed' and t.lease_until < now()))
      and not exists (
          select from speech_window w where w.recording_id = t.recording_id and w.leg = t.leg and w.state = 'pending'
            and not exists (select from window_audio a where a.window_id = w.id))
    order by t.planned_at, t.recording_id, t.leg limit 1 for update skip locked
), taken as (
    update transcription t
    set state = 'claimed', worker = %(worker)s, fence = fence + 1, attempts = attempts + 1,
        lease_until = now() + make_interval(secs => %(lease_s)s)
    from picked where t.recording_id = picked.recording_id and t.leg = picked.leg
    returning t.recording_id, t.leg, t.fence, t.attempts, t.language, t.heard
)
select taken.recording_id, taken.leg, taken.fence, taken.attempts, taken.heard, r.call_uuid,
       taken.language as of_leg, c.language as of_call, c.spoken, c.redact, c.display_name,
       array(select m.body from message m where m.thread_id = c.thread_id and %(messages)s::integer > 0
             order by m.sent_at desc limit %(messages)s) as messages
from taken join recording r on r.id = taken.recording_id join call c on c.uuid = r.call_uuid;

-- name: park_windows
update speech_window set state = 'failed', error = coalesce(error, %(error)s)
where recording_id = %(recording_id)s and leg = %(leg)s and state = 'pending' and attempts >= %(max_begun)s;

-- name: windows
select id, rate, pieces, utterances, attempts from speech_window
where recording_id = %(recording_id)s and leg = %(leg)s and state = 'pending' order by number;

-- name: spoken
select id, start_sample, end_sample from utterance
where recording_id = %(recording_id)s and leg = %(leg)s order by start_sample;

-- name: begin
with held as (
    update transcription set lease_until = now() + make_interval(secs => %(lease_s)s)
    where recording_id = %(recording_id)s and leg = %(leg)s and fence = %(fence)s and state = 'claimed'
    returning recording_id
), begun as (
    update speech_window w set attempts = attempts + 1 from held
    where w.id = any(%(windows)s) and w.recording_id = held.recording_id
)
select a.window_id, a.pcm from window_audio a, held where a.window_id = any(%(windows)s);

-- name: lock_spoken
select id from utterance where recording_id = %(recording_id)s and leg = %(leg)s order by id for update;

-- name: finish
update transcription set state = 'done', done_at = now(), lease_until = null, error = null, model = %(model)s
where recording_id = %(recording_id)s and leg = %(leg)s and fence = %(fence)s and state = 'claimed';

-- name: fail_window
update speech_window set state = 'failed', error = %(error)s
where id = %(window_id)s and recording_id = %(recording_id)s and leg = %(leg)s;

-- name: end_windows
with ended as (
    update speech_window set state = case state when 'pending' then 'done' else state end
    where recording_id = %(recording_id)s and leg = %(leg)s
    returning id
)
delete from window_audio a using ended where a.window_id = ended.id;

-- name: end_utterances
-- Those of windows that were decoded are done, however it went live; those of windows that failed keep what they have.
with ended as (
    update utterance u
    set state = case when u.id = any(%(decoded)s) then 'done' when u.state = 'done' then 'done' else 'failed' end,
        done_at = coalesce(u.done_at, now()), lease_until = null,
        error = case when u.id = any(%(decoded)s) then null else coalesce(u.error, (
            select w.error from speech_window w
            where w.recording_id = u.recording_id and w.leg = u.leg and u.id = any(w.utterances))) end
    where u.recording_id = %(recording_id)s and u.leg = %(leg)s
    returning u.id
)
delete from utterance_audio a using ended where a.utterance_id = ended.id;

-- name: forget_guesses
-- What was redacted live, of utterances that were decoded again: replaced by what is found now.
delete from redaction d
where d.recording_id = %(recording_id)s and d.leg = %(leg)s and d.pass = 'live' and d.silenced_at is null
  and exists (select from utterance u where u.id = any(%(decoded)s)
              and d.start_ms < u.end_sample * 1000 / u.rate + 1 and d.end_ms > u.start_sample * 1000 / u.rate);

-- name: give_back
update transcription
set state = case when attempts >= %(max_attempts)s then 'failed' else 'pending' end,
    done_at = case when attempts >= %(max_attempts)s then now() end, error = %(error)s, lease_until = null
where recording_id = %(recording_id)s and leg = %(leg)s and fence = %(fence)s and state = 'claimed';

-- name: leave
update transcription set state = 'pending', attempts = attempts - 1, lease_until = null
where recording_id = %(recording_id)s and leg = %(leg)s and fence = %(fence)s and state = 'claimed';

-- name: load
-- How the transcribers keep up; each number by an index of its own.
with waiting as (
    select u.state, r.state in ('growing', 'closed') as live, now() - u.created_at as age, u.worker,
           (u.end_sample - u.start_sample)::double precision / u.rate as seconds
    from utterance u join recording r on r.id = u.recording_id where u.state in ('pending', 'claimed', 'shed')
), legs as (
    select recording_id, leg, now() - planned_at as age, state, worker from transcription
    where state in ('pending', 'claimed')
), delays as (
    select extract(epoch from u.done_at - r.started_at)::double precision - u.end_sample::double precision / u.rate as s
    from utterance u join recording r on r.id = u.recording_id
    where u.done_at > now() - interval '5 minutes' and u.shed_at is null and u.state = 'done'
      and not exists (select from recording_gap g where g.call_uuid = r.call_uuid and g.kind = 'pause')
)
select count(*) filter (where state <> 'shed' and live) as depth,
       coalesce(extract(epoch from max(age) filter (where state <> 'shed' and live)), 0)::double precision as lag_s,
       coalesce(sum(seconds) filter (where state <> 'shed' and live), 0)::double precision as speech_s,
       count(*) filter (where state <> 'shed' and not live) as swept,
       count(*) filter (where state = 'shed') as shed,
       (select count(*) from utterance where shed_at > now() - interval '1 hour') as shed_hour,
       (select count(*) from utterance where done_at > now() - interval '1 hour' and state = 'done') as done_hour,
       (select count(*) from utterance where done_at > now() - interval '1 hour' and state = 'failed') as failed_hour,
       (select percentile_cont(0.5) within group (order by s) from delays) as delay_p50_s,
       (select percentile_cont(0.95) within group (order by s) from delays) as delay_p95_s,
       (select count(*) from legs) as legs,
       coalesce((select extract(epoch from max(age)) from legs), 0)::double precision as legs_lag_s,
       (select count(*) from legs join speech_window w using (recording_id, leg) where w.state = 'pending') as windows,
       (select count(*) from transcription where done_at > now() - interval '1 hour' and state = 'done') as legs_hour,
       (select count(*) from transcription where done_at > now() - interval '1 hour' and state = 'failed')
           as legs_failed_hour,
       (select count(distinct worker) from (
            select worker from waiting where state = 'claimed' union all select worker from legs where state = 'claimed')
        as busy) as workers
from waiting;
