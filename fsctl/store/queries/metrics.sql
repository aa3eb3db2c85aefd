-- What those who watch the house are told: counters from what is new since they were read last, the rest from small
-- indexes. Nothing here reads a table of calls, events or text as a whole; the tests ask the planner.

-- name: tally
-- Count what is new; of those who ask at once, one does. Events are read by the number that they get after their commit,
-- what has none once it is so old that no transaction can still add to it.
with tallied_so_far as (
    select event_seq, segment_id, until from tallied for update skip locked
), reach as (
    select (select max(next.seq) from (
               select seq from event where seq > (select event_seq from tallied_so_far) order by seq limit %(most)s
           ) next) as event_seq,
           (select max(next.id) from (
               select id, created_at from segment where id > (select segment_id from tallied_so_far)
               order by id limit %(most)s
           ) next where next.created_at < now() - interval '10 seconds') as segment_id,
           now() - interval '10 seconds' as until
), told as (
    select type, call_uuid, data ->> 'disposition' as disposition from event
    where seq > (select event_seq from tallied_so_far) and seq <= (select event_seq from reach)
), ended as (
    -- The queue may correct a verdict a moment later, and it is told again: the one that stands counts.
    select c.* from told
    cross join lateral (
        select disposition, queue, mos, extract(epoch from bridged_at - queued_at)::double precision as waited_s,
               queued_at is not null and bridged_at is null as is_left
        from call where uuid = told.call_uuid limit 1
    ) c
    where told.type = 'call.ended' and told.disposition is not distinct from c.disposition
), counted (name, label, le, count, total) as (
    select 'calls_ended', coalesce(disposition, ''), 'Infinity'::double precision, count(*), 0::double precision
    from ended group by disposition
    union all
    select 'queue_left', queue, 'Infinity', count(*), 0 from ended where is_left and queue is not null group by queue
    union all
    select 'queue_wait', queue, bound.le, count(*), sum(waited_s) from ended
    cross join lateral (
        select coalesce(min(b), 'Infinity') as le from unnest(%(wait_bounds)s::double precision[]) b where b >= waited_s
    ) bound
    where waited_s is not null and queue is not null group by queue, bound.le
    union all
    select 'mos', '', bound.le, count(*), sum(mos) from ended
    cross join lateral (
        select coalesce(min(b), 'Infinity') as le from unnest(%(mos_bounds)s::double precision[]) b where b >= mos
    ) bound
    where mos is not null group by bound.le
    union all
    select type, '', 'Infinity', count(*), 0 from told
    where type in ('recording.ready', 'recording.failed', 'transcript.ready', 'message.received') group by type
    union all
    select 'stt_suppressed', suppressed_by, 'Infinity', count(*), 0 from segment
    where id > (select segment_id from tallied_so_far) and id <= (select segment_id from reach)
      and suppressed_by is not null
    group by suppressed_by
    union all
    select 'stt_shed', '', 'Infinity', count(*), 0 from utterance
    where shed_at > (select until from tallied_so_far) and shed_at <= (select until from reach)
    union all
    select 'outbox_failed', '', 'Infinity', count(*), 0 from outbox
    where state = 'failed'
      and settled_at > (select until from tallied_so_far) and settled_at <= (select until from reach)
    union all
    select 'recording_fault', finding ->> 'code', 'Infinity', count(*), 0
    from recording cross join lateral jsonb_array_elements(findings) finding
    where findings @> '[{"severity": "fault"}]' and finding ->> 'severity' = 'fault'
      and archived_at > (select until from tallied_so_far) and archived_at <= (select until from reach)
    group by finding ->> 'code'
), added as (
    insert into tally as t (name, label, le, count, total)
    select name, label, le, count, total from counted where count > 0
    on conflict (name, label, le) do update set count = t.count + excluded.count, total = t.total + excluded.total
)
update tallied t
set event_seq = greatest(t.event_seq, r.event_seq), segment_id = greatest(t.segment_id, r.segment_id),
    until = greatest(t.until, r.until)
from reach r where exists (select from tallied_so_far);

-- name: counters
-- As many rows as there are series.
select name, label, le, count, total from tally order by name, label, le;

-- name: open_calls
select phase, count(*) from call where ended_at is null group by phase order by phase;

-- name: recordings
-- Those that are not done with; of a house that is well there are few.
select state, count(*) from (
    select state from recording where state in ('growing', 'closed')
    union all
    select state from recording where (state = 'cut' or stale is not null) and state = 'cut'
) under_way
group by state order by state;

-- name: alarms
select kind, count(*) from alarm where cleared_at is null group by kind order by kind;

-- name: numbers
-- Each by an index of its own. Ages in seconds; 0: nothing waits.
select (select count(*) from outbox where state = 'pending') as outbox_pending,
       (select count(*) from outbox where state = 'claimed') as outbox_claimed,
       (select count(*) from outbox where state = 'unsure') as outbox_unsure,
       (select coalesce(extract(epoch from now() - min(not_before) filter (where not_before <= now())), 0)
        from outbox where state = 'pending')::double precision as outbox_oldest_s,
       (select count(*) from inbox where state = 'waiting') as inbox_waiting,
       (select count(*) from inbox where state = 'failed') as inbox_failed,
       (select count(*) from delivery where state = 'waiting') as deliveries_waiting,
       (select coalesce(extract(epoch from now() - min(e.created_at)), 0) from (
            select event_id from delivery where state = 'waiting' order by endpoint_id, due_at limit 100
        ) first join lateral (select created_at from event where id = first.event_id limit 1) e on true
       )::double precision as deliveries_oldest_s,
       (select count(*) from endpoint where disabled_at is not null) as endpoints_disabled,
       (select count(*) from event where seq is null) as events_unnumbered;

-- name: speech
-- How the transcribers keep up: live speech that waits, what was put off, and final passes.
with waiting as (
    select u.state, r.state in ('growing', 'closed') as is_live, now() - u.created_at as age
    from utterance u
    cross join lateral (select state from recording where id = u.recording_id limit 1) r
    where u.state in ('pending', 'claimed', 'shed')
), legs as (
    select now() - planned_at as age from transcription where state in ('pending', 'claimed')
)
select count(*) filter (where state <> 'shed' and is_live) as depth,
       coalesce(extract(epoch from max(age) filter (where state <> 'shed' and is_live)), 0)::double precision as lag_s,
       count(*) filter (where state = 'shed') as put_off,
       (select count(*) from legs) as legs,
       coalesce((select extract(epoch from max(age)) from legs), 0)::double precision as legs_lag_s
from waiting;

-- name: migrations
select name from migration;
